from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Failed, LongDocumentMode, LongDocuments, Scored, Why
from es_rerank.rerank.prompt import approximate_tokens
from es_rerank.rerank_client import client, pool, server, transport, window_scoring
from es_rerank.rerank_client.client import Health, Readiness, Reranker
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    fake_settings,
    score_response,
    serve_fake,
    until,
)
from tests.rerank_client.reranking import BY_TEXT, ask, reranking, scripted, sent, sigmoid


async def test_each_document_gets_a_probability() -> None:
    async with reranking() as (reranker, server):
        found = await reranker.score(ask("opening hours", None, "mend a hose"))
    assert isinstance(found, Scored)
    assert found.probabilities == [pytest.approx(sigmoid(-3)), None, pytest.approx(sigmoid(2))]
    assert (found.cached, found.model) == (0, "BAAI/bge-reranker-v2-m3")
    assert sent(server) == [["opening hours", "mend a hose"]]


@pytest.mark.parametrize(
    ("profile", "rule", "expected"),
    [
        ("bge-reranker", None, None),
        ("bge-reranker", "Find parts", None),
        ("qwen3-reranker-0.6b", "Find parts", "Find parts"),
        ("qwen3-reranker-0.6b", None, "Given a web search query, retrieve relevant passages that answer the query"),
    ],
)
async def test_instructions_go_to_models_that_take_one(profile: str, rule: str | None, expected: str | None) -> None:
    async with reranking(profile=profile) as (reranker, server):
        await reranker.score(ask("a", instruction=rule))
    assert server.seen[0].json.get("instruction") == expected


async def test_a_request_has_the_model_and_escaped_special_tokens() -> None:
    async with reranking(model="mine") as (reranker, server):
        await reranker.score(ask("a </s> b", query="<s> hose"))
    question = server.seen[0].json
    assert (question["text_1"], question["text_2"]) == ("< s> hose", ["a < /s> b"])
    assert question["model"] == "mine"


async def test_a_very_long_query_leaves_room_for_documents() -> None:
    async with reranking() as (reranker, server):
        found = await reranker.score(
            ask("text " * 9000, query="word " * 9000, long=LongDocuments(LongDocumentMode.TRUNCATE))
        )
    assert isinstance(found, Scored)
    question = server.seen[0].json
    assert 0 < len(question["text_1"].split()) <= 2048
    assert 0 < len(question["text_2"][0].split()) <= 1024


async def test_a_search_ends_at_its_own_deadline_whatever_others_wait_for() -> None:
    async with reranking(lambda seen: replace(score_response()(seen), seconds=0.1)) as (reranker, _):
        assert await reranker.score(ask("a", seconds=0)) == Failed(Why.DEADLINE)
        first, second = await asyncio.gather(
            reranker.score(ask("a", seconds=5)), reranker.score(ask("a", seconds=0.02))
        )
    assert isinstance(first, Scored)
    assert second == Failed(Why.DEADLINE)


async def test_a_silent_server_is_a_missed_deadline() -> None:
    async with reranking(FakeResponse(b"", seconds=0.3)) as (reranker, _):
        found = await reranker.score(ask("a", seconds=0.05))
    assert isinstance(found, Failed)
    assert found.why is Why.DEADLINE


async def test_too_many_searches_are_shed() -> None:
    slow = lambda seen: replace(score_response()(seen), seconds=0.02)  # noqa: E731
    async with reranking(slow, reranker_queue_size=1, reranker_max_requests=1) as (reranker, _):
        found = await asyncio.gather(*(reranker.score(ask(f"text {at}")) for at in range(4)))
    assert sorted(type(one).__name__ for one in found) == ["Failed", "Failed", "Scored", "Scored"]
    assert {one.why for one in found if isinstance(one, Failed)} == {Why.OVERLOADED}


async def test_the_window_shrinks_while_the_queue_is_long_and_grows_back() -> None:
    ten = [f"text {at}" for at in range(10)]

    def slow(seen: ReceivedRequest) -> FakeResponse:
        return replace(score_response(BY_TEXT)(seen), seconds=0.02)

    async with reranking(slow, reranker_max_requests=1, reranker_queue_size=4, score_cache_size=0) as (reranker, _):
        asks = [ask(*ten, query=f"query {at}") for at in range(5)]
        found = await asyncio.gather(*map(reranker.score, asks))
        after = await reranker.score(ask(*ten, query="later"))
    read = [one.window for one in found if isinstance(one, Scored)]
    assert read == [10, 10, 10, 5, 2]
    assert [sum(p is not None for p in one.probabilities) for one in found if isinstance(one, Scored)] == read
    assert isinstance(after, Scored)
    assert after.window == 10


async def test_only_as_much_is_sent_as_can_be_answered_in_time() -> None:
    ten = ["text " * 70 + str(at) for at in range(10)]
    async with reranking(lambda seen: replace(score_response()(seen), seconds=0.2), reranker_max_requests=1) as (
        reranker,
        server,
    ):
        # What is known of its pace is that ten texts take a minute.
        pace = reranker._pool.servers[0].throughput
        pace.done_tokens, pace.busy_seconds, pace.busy_until = (
            sum(map(approximate_tokens, map(len, ten))),
            60.0,
            time.monotonic(),
        )
        busy = asyncio.create_task(reranker.score(ask(*ten, query="ahead", seconds=300)))
        await server.reached(1)
        late = asyncio.create_task(reranker.score(ask(*ten, query="late", seconds=105)))
        vain = asyncio.create_task(reranker.score(ask(*ten, query="in vain", seconds=30)))
        whole = asyncio.create_task(reranker.score(replace(ask(*ten, query="whole", seconds=105), whole=True)))
        found = await asyncio.gather(busy, late, vain, whole)
    assert [one.window if isinstance(one, Scored) else one.why for one in found] == [10, 5, "overloaded", "overloaded"]
    assert [len(texts) for texts in sent(server)] == [10, 4, 1]


async def test_a_client_that_disconnects_ends_the_work_for_it() -> None:
    def respond(seen: ReceivedRequest) -> FakeResponse:
        return replace(score_response(BY_TEXT)(seen), seconds=60 if seen.json["text_1"] == "ho0" else 0)

    async with reranking(respond, reranker_max_requests=1) as (reranker, server):
        canceled = [asyncio.create_task(reranker.score(ask("mend", query=f"ho{at}", seconds=30))) for at in range(9)]
        await server.reached(1)
        stays = asyncio.create_task(reranker.score(ask("mend", query="ho1", seconds=30)))
        await asyncio.sleep(0.01)
        for search in canceled:
            search.cancel()
        assert isinstance(await asyncio.wait_for(stays, 20), Scored)
        assert reranker.health.searches == 0
    assert [seen.json["text_1"] for seen in server.seen] == ["ho0", "ho1"]


async def test_clients_that_disconnect_are_no_fault_of_the_server() -> None:
    async with reranking(lambda seen: replace(score_response(BY_TEXT)(seen), seconds=0.1)) as (reranker, server):
        for at in range(5):
            canceled = asyncio.create_task(reranker.score(ask("mend", query=f"ho{at}")))
            await server.reached(at + 1)
            canceled.cancel()
        assert isinstance(await reranker.score(ask("mend")), Scored)
        assert reranker.health == Health("ok")
        assert len(server.seen) == 6


@pytest.mark.usefixtures("first_of_equal_servers")
async def test_one_server_of_two_is_enough() -> None:
    async with (
        serve_fake(FakeServer({"/": FakeResponse(b"oops", status=500)})) as broken,
        serve_fake(FakeServer({"/": score_response()})) as sound,
    ):
        with capture_logs() as lines:
            reranker = Reranker(fake_settings(reranker=[broken, sound]))
            assert all([isinstance(await reranker.score(ask(f"text {at}")), Scored) for at in range(6)])
            health = reranker.health
            await reranker.close()
    assert health == Health("ok", "1 of 2 servers out: reranker_error: HTTP 500: oops")
    assert [(line["event"], line["server"]) for line in lines] == [
        ("reranker failed, searches keep the engine's order", broken.url)
    ]


async def test_a_server_with_the_wrong_model_is_not_used_next_to_the_right_one() -> None:
    right = score_response({"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}, default=-3.0)
    async with (
        serve_fake(FakeServer({"/": score_response({}, default=1.0)})) as wrong,
        serve_fake(FakeServer({"/": right})) as fit,
    ):
        with capture_logs():
            reranker = Reranker(fake_settings(reranker=[wrong, fit], self_test=True))
            starting = asyncio.create_task(reranker.start())
            await until(lambda: reranker.health.state == "ok" and "self_test" in reranker.health.why)
            tested = len(wrong.seen)
            assert all([isinstance(await reranker.score(ask(f"text {at}")), Scored) for at in range(4)])
            assert len(wrong.seen) == tested
            assert reranker.health.state == "ok"
            assert reranker.health.why.startswith("1 of 2 servers out: self_test: ")
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await reranker.close()


async def test_a_whole_window_is_read_in_full_although_the_queue_is_long() -> None:
    async with reranking(
        replace(FakeResponse(b"", status=429), seconds=0.1), reranker_max_requests=1, reranker_queue_size=2
    ) as (
        reranker,
        server,
    ):
        waiting = [asyncio.create_task(reranker.score(ask("a", query=f"q{at}"))) for at in range(2)]
        await asyncio.sleep(0.05)
        whole = asyncio.create_task(reranker.score(replace(ask("b", "c", "d", "e", "f"), whole=True)))
        await asyncio.gather(*waiting, whole)
    assert [len(texts) for texts in sent(server)] == [1, 1, 5]


async def test_texts_that_are_too_long_are_sent_once_more_at_half_their_length() -> None:
    def refuses(seen: ReceivedRequest) -> FakeResponse:
        if any(len(text) > 60 for text in seen.json["text_2"]):
            return FakeResponse(b"input length is too long", status=400)
        return score_response(BY_TEXT)(seen)

    async with reranking(refuses) as (reranker, server):
        found = await reranker.score(ask("mend " * 20))
        second = await reranker.score(ask("mend " * 40))
    assert isinstance(found, Scored)
    assert found.probabilities == [pytest.approx(sigmoid(2))]
    assert isinstance(second, Failed)
    assert second.why is Why.TOO_LONG
    assert [len(texts[0]) for texts in sent(server)] == [100, 50, 200, 100]


async def test_texts_that_are_too_long_are_no_fault_of_the_server() -> None:
    async with reranking(FakeResponse(b"input length is too long", status=400)) as (reranker, _):
        for at in range(5):
            found = await reranker.score(ask(f"mend {at}"))
            assert isinstance(found, Failed)
            assert found.why is Why.TOO_LONG
        assert reranker.health.state == "ok"


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (FakeResponse(b"{}"), Why.BAD_ANSWER),
        (FakeResponse(b'{"data":[{"index":0,"score":null}]}'), Why.BAD_ANSWER),
        (FakeResponse(b'{"data":[{"index":0,"score":1' + b"0" * 400 + b"}]}"), Why.BAD_ANSWER),
        (FakeResponse(b"busy", status=429), Why.OVERLOADED),
        (FakeResponse(b"who are you", status=401), Why.REFUSED),
        (FakeResponse(b"oops", status=500), Why.RERANKER_ERROR),
        (FakeResponse(b"", cut_off=True), Why.BAD_ANSWER),
    ],
)
async def test_a_fault_reaches_all_searches_that_wait_for_it(response: FakeResponse, why: Why) -> None:
    async with reranking(replace(response, seconds=0.02)) as (reranker, server):
        found = await asyncio.gather(reranker.score(ask("a")), reranker.score(ask("a")))
        assert [one.why for one in found if isinstance(one, Failed)] == [why, why]
        # One request for both searches, and a second one: the same again, as a replica may have failed, or for a known
        # pair, as the texts may be the reason.
        assert len(server.seen) == (2 if why in {Why.REFUSED, Why.BAD_ANSWER, Why.RERANKER_ERROR} else 1)
        assert reranker.health.state == "degraded"
        assert reranker.health.why.startswith(why)


async def test_a_fault_is_not_cached() -> None:
    responses: list[FakeResponse] = [FakeResponse(b"busy", status=429)]
    async with reranking(lambda seen: responses.pop() if responses else score_response()(seen)) as (reranker, _):
        assert isinstance(await reranker.score(ask("a")), Failed)
        assert isinstance(await reranker.score(ask("a")), Scored)
        assert reranker.health == Health("ok")


async def test_after_three_faults_the_circuit_breaker_is_open_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    for module in (client, pool, server, transport, window_scoring):
        monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))
    broken = [True]
    oops = FakeResponse(b"oops", status=500)
    async with reranking(lambda seen: oops if broken[0] else score_response()(seen)) as (reranker, fake):
        for at in range(5):
            found = await reranker.score(ask(f"text {at}"))
            assert isinstance(found, Failed)
            assert found.why is Why.RERANKER_ERROR
        assert len(fake.seen) == 3
        broken[0] = False
        assert isinstance(await reranker.score(ask("x")), Failed)
        clock[0] += 1.5
        assert isinstance(await reranker.score(ask("x")), Scored)
        assert isinstance(await reranker.score(ask("y")), Scored)
        assert reranker.health == Health("ok")


async def test_cached_pairs_need_no_server() -> None:
    responses: list[FakeResponse] = []
    async with reranking(lambda seen: responses[0] if responses else score_response()(seen)) as (reranker, _):
        await reranker.score(ask("a"))
        responses.append(FakeResponse(b"oops", status=500))
        assert isinstance(await reranker.score(ask("b")), Failed)
        assert isinstance(await reranker.score(ask("a")), Scored)


async def test_each_change_is_logged_once() -> None:
    oops = FakeResponse(b"oops", status=500)
    async with serve_fake(
        FakeServer({"/": lambda seen: oops if len(server.seen) < 3 else score_response()(seen)})
    ) as server:
        reranker = Reranker(fake_settings(reranker=server))
        with capture_logs() as lines:
            for at in range(4):
                await reranker.score(ask(f"text {at}"))
            await reranker.close()
    assert [line["event"] for line in lines] == [
        "reranker failed, searches keep the engine's order",
        "reranker answers again",
    ]


async def self_tested(response: Any, **more: Any) -> tuple[Reranker, Sequence[Any]]:
    async with serve_fake(FakeServer({"/": response})) as server:
        reranker = Reranker(fake_settings(reranker=server, self_test=True, **more))
        with capture_logs() as lines:
            assert reranker.health == Health("untested")
            testing = asyncio.create_task(reranker.start())
            await until(lambda: reranker.health.state != "untested")
            testing.cancel()
            await asyncio.gather(testing, return_exceptions=True)
            await reranker.close()
    return reranker, lines


async def test_a_model_that_ranks_the_known_pairs_correctly_is_used() -> None:
    right = {"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}
    reranker, lines = await self_tested(score_response(right, default=-3.0))
    assert reranker.health == Health("ok")
    assert lines[-1]["event"] == "self-test passed"


async def test_a_model_that_ranks_them_wrongly_is_not_used() -> None:
    reranker, lines = await self_tested(score_response({}, default=1.0))
    assert reranker.health.state == "degraded"
    assert "self_test: 4 of 4 known pairs" in reranker.health.why
    assert [line["event"] for line in lines] == ["self-test failed, searches keep the engine's order"]
    found = await reranker.score(ask("a"))
    assert isinstance(found, Failed)
    assert found.why is Why.SELF_TEST


async def test_a_server_that_is_not_up_yet_is_degraded() -> None:
    reranker, _ = await self_tested(FakeResponse(b"starting", status=503))
    assert reranker.health.state == "degraded"
    found = await reranker.score(ask("a"))
    assert isinstance(found, Failed)
    assert found.why is Why.RERANKER_ERROR


async def test_a_model_is_not_used_before_its_self_test() -> None:
    async with reranking(self_test=True) as (reranker, server):
        found = await reranker.score(ask("a"))
    assert found == Failed(Why.SELF_TEST, "the known pairs have not been scored yet")
    assert sent(server) == []


async def test_a_server_that_was_unreachable_is_tested_again() -> None:
    right = score_response({"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}, default=-3.0)
    async with serve_fake(FakeServer({"/": right})) as server:
        reranker = Reranker(fake_settings(reranker=server, self_test=True))
        await reranker.start()
        before = len(server.seen)
        reranker._pool.servers[0].health.failed(Failed(Why.UNREACHABLE, "refused"), 0.0)
        reranker._pool.servers[0]._answered(0.0)
        assert reranker.health == Health("untested")
        await asyncio.wait_for(asyncio.gather(*reranker._servers._self_tests.values()), 5)
        assert reranker.health == Health("ok")
        assert len(server.seen) > before
        await reranker.close()


async def test_the_identity_backend_needs_no_server() -> None:
    reranker = Reranker(fake_settings(backend="identity", self_test=True))
    assert reranker.health == Health("ok")
    found = await reranker.score(ask("a", None, "b"))
    assert found == Scored([0.5, 0.5, 0.5], 0, "identity")
    await reranker.close()


async def test_closing_cancels_what_is_in_flight() -> None:
    async with reranking(FakeResponse(b"", seconds=5)) as (reranker, _):
        waiting = asyncio.create_task(reranker.score(ask("a")))
        await asyncio.sleep(0.05)
        await reranker.close()
        assert await waiting == Failed(Why.DEADLINE)


async def test_when_it_gives_up_all_searches_have_run_out_of_time() -> None:
    async with reranking(FakeResponse(b"", seconds=9)) as (reranker, server):
        waiting = [asyncio.create_task(reranker.score(ask("a", seconds=60))) for _ in range(2)]
        await server.reached(1)
        reranker.give_up()
        found = [*await asyncio.gather(*waiting), await reranker.score(ask("b", seconds=60))]
        assert found == [Failed(Why.DEADLINE)] * 3
        assert len(server.seen) == 1


async def test_a_lone_surrogate_is_no_error() -> None:
    async with reranking() as (reranker, server):
        found = await reranker.score(ask("a \ud800 hose", query="\udc00 hose"))
    assert isinstance(found, Scored)
    assert json.loads(server.seen[0].body)["text_1"] == "? hose"


@pytest.mark.usefixtures("first_of_equal_servers")
async def test_the_first_scores_of_a_server_that_returned_with_another_model_are_not_used() -> None:
    known = {"tap usually": 3.0, "Canberra": 3.0, "zehn Minuten": 3.0, "省电模式": 3.0}
    right = score_response({**known, "good": 3.0}, default=-3.0)
    wrong = score_response(dict.fromkeys([*known, "good"], -3.0), default=3.0)
    async with serve_fake(FakeServer({"/": right})) as back, serve_fake(FakeServer({"/": right})) as fit:
        with capture_logs():
            reranker = Reranker(fake_settings(reranker=[back, fit], self_test=True))
            await asyncio.wait_for(reranker.start(), 10)
            returned = reranker._pool.servers[0]
            returned.health.failed(Failed(Why.UNREACHABLE, "connection refused"), time.monotonic())
            back.says["/"] = wrong
            for _ in range(2):
                found = await reranker.score(ask("bad", "good"))
                assert isinstance(found, Scored)
                assert found.probabilities == [pytest.approx(sigmoid(-3)), pytest.approx(sigmoid(3))]
            await until(lambda: returned.health.mismatch)
            assert reranker.health.out == 1
            await reranker.close()
    assert ["bad", "good"] in sent(back)


def fill_queue(reranker: Reranker, waiting: int) -> None:
    """Set the number of queued searches."""
    reranker.searches = reranker._settings.reranker_max_requests * len(reranker._pool.servers) + waiting


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("waiting", "shed"), [(3, False), (4, True)])
async def test_every_search_is_shed_at_a_full_queue(whole: bool, waiting: int, shed: bool) -> None:
    reranker = Reranker(fake_settings(reranker_queue_size=4))
    requests = scripted(reranker, lambda _, texts: [1.0] * len(texts))
    fill_queue(reranker, waiting)
    found = await reranker.score(replace(ask("a", "b"), whole=whole))
    assert (found == Failed(Why.OVERLOADED)) is shed
    assert len(requests) == (0 if shed else 1)
    assert reranker._queued() == waiting


async def test_at_a_full_queue_requests_that_would_be_late_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = Reranker(fake_settings(reranker_queue_size=4))
    scripted(reranker, lambda _, texts: [1.0] * len(texts))
    fill_queue(reranker, 3)
    monkeypatch.setattr(pool.ServerPool, "drop_late", lambda _: True)
    reranker.searches += 1
    found = await reranker.score(replace(ask("a", "b"), whole=True))
    assert isinstance(found, Scored)


async def test_closing_during_a_new_self_test_leaves_no_task() -> None:
    async with serve_fake(FakeServer({"/": FakeResponse(b"", seconds=9)})) as fake:
        reranker = Reranker(fake_settings(reranker=fake, self_test=True))
        (one,) = reranker._pool.servers
        reranker._server_returned(one, retest=True)
        (task,) = reranker._servers._self_tests.values()
        await fake.reached(1)
        await reranker.close()
        assert task.cancelled()
        assert reranker._servers._self_tests == {}


async def test_a_server_that_returns_while_it_is_tested_gets_no_second_self_test() -> None:
    reranker = Reranker(fake_settings(self_test=True))
    reranker._scorer.cache.put_many([b"a"], [1.0])
    reranker._server_returned(reranker._pool.servers[0], retest=False)
    assert (len(reranker._scorer.cache), reranker._servers._self_tests) == (0, {})


async def test_health_names_each_problem_once_and_counts_the_servers() -> None:
    reranker = Reranker(fake_settings(reranker=[FakeServer(url=f"http://{name}") for name in ("one", "two", "three")]))
    oops = Failed(Why.RERANKER_ERROR, "oops")
    for one in reranker._pool.servers[:2]:
        one.health.failed(oops, 0.0)
    health = reranker.health
    assert (health, health.out) == (Health(Readiness.OK, "2 of 3 servers out: reranker_error: oops"), 2)
    reranker._pool.servers[2].health.failed(Failed(Why.REFUSED, "no"), 0.0)
    assert reranker.health == Health(Readiness.DEGRADED, "reranker_error: oops; refused: no")


async def test_repr_shows_state_and_counts_and_no_text_or_secret() -> None:
    reranker = Reranker(fake_settings(reranker_api_key="s3cret"))
    requests = scripted(reranker, lambda _, texts: [1.0] * len(texts))
    await reranker.score(ask("a document", "another document", query="a query"))
    assert len(requests) == 1
    assert repr(reranker) == (
        "<Reranker BAAI/bge-reranker-v2-m3 ok: 0 searches in progress, 2 cached scores, "
        "<ServerPool 1 servers: 1 healthy; 0 requests queued>>"
    )


@pytest.mark.parametrize("long", [LongDocuments(), LongDocuments(LongDocumentMode.MAX_PASSAGE, 100)])
async def test_a_search_whose_scores_are_all_cached_is_answered_at_a_full_queue(long: LongDocuments) -> None:
    reranker = Reranker(fake_settings(reranker_queue_size=4))
    requests = scripted(reranker, lambda _, texts: [1.0] * len(texts))
    texts = ["a", None, "text " * 400]
    before = await reranker.score(ask(*texts, long=long))
    sent_before = len(requests)
    fill_queue(reranker, 4)
    found = await reranker.score(ask(*texts, long=long))
    assert await reranker.score(ask(*texts, "b", long=long, partial=False)) == Failed(Why.OVERLOADED)
    head = await reranker.score(ask(*texts, "b", long=long))
    assert isinstance(head, Scored)
    assert (head.window, head.cached) == (3, 2)
    assert isinstance(before, Scored)
    assert found == replace(before, cached=2)
    assert len(requests) == sent_before


async def test_a_search_whose_scores_are_all_cached_is_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = Reranker(fake_settings())
    scripted(reranker, lambda _, texts: [1.0] * len(texts))
    await reranker.score(ask("a", "b"))
    monkeypatch.setattr(reranker._pool, "queue_estimate", None)
    assert isinstance(await reranker.score(ask("a", "b")), Scored)


async def test_after_it_gave_up_cached_scores_are_still_used() -> None:
    reranker = Reranker(fake_settings())
    scripted(reranker, lambda _, texts: [1.0] * len(texts))
    await reranker.score(ask("a", "b"))
    reranker.give_up()
    assert isinstance(await reranker.score(ask("a", "b")), Scored)
    assert await reranker.score(ask("a", "c")) == Failed(Why.DEADLINE)
