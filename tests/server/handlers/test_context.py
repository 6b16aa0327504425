from __future__ import annotations

import asyncio
import gzip
import math
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from es_rerank.errors import UpstreamError
from es_rerank.model import Rule
from es_rerank.server.handlers.context import Exchange
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
)
from tests.server.test_app import CAPS, HITS


async def sent(
    headers: list[tuple[str, str]], said: FakeResponse | None = None
) -> tuple[FakeServer, dict[str, str], bytes]:
    """Search with these headers; give the engine, and what came back of head and body."""
    engine = FakeServer({"/docs/_field_caps": CAPS, "": said or FakeResponse(search_response(*HITS))})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as model,
        running_endpoint(fake_settings(engine, model)) as proxy,
    ):
        got = await proxy.search(headers=headers)
        return engine, dict(got.headers), got.body


async def test_the_engine_is_asked_in_the_callers_name() -> None:
    engine, _, _ = await sent([("Authorization", "Basic x"), ("X-Opaque-Id", "7"), ("X-Mine", "1"), ("Cookie", "c=1")])
    caps, search = engine.seen
    assert (caps.headers["Authorization"], caps.headers["X-Opaque-Id"], caps.headers["Cookie"]) == (
        "Basic x",
        "7",
        "c=1",
    )
    assert caps.headers["X-Mine"] == "1"
    assert (search.headers["Authorization"], search.headers["X-Mine"]) == ("Basic x", "1")


@pytest.mark.parametrize(
    ("accepts", "asked"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br", None),
        ("", None),
        ("gzip;q=0.5,br", "gzip;q=0.5"),
        ("gzip;q=0", "gzip;q=0"),
    ],
)
async def test_only_codings_that_can_be_read_are_asked_for(accepts: str, asked: str | None) -> None:
    engine, _, _ = await sent([("Accept-Encoding", accepts)] if accepts else [])
    assert engine.seen[1].headers.get("Accept-Encoding") == asked


@pytest.mark.parametrize(("coding", "module"), [("gzip", gzip), ("deflate", zlib)])
async def test_a_coded_answer_leaves_coded(coding: str, module: Any) -> None:
    coded = FakeResponse(
        module.compress(search_response(*HITS)), headers=[("Content-Encoding", coding), ("Warning", '299 "x"')]
    )
    _, headers, body = await sent([("Accept-Encoding", coding)], coded)
    assert (headers["Content-Encoding"], headers["Warning"]) == (coding, '299 "x"')
    assert headers["X-Rerank"].startswith("reranked")
    assert b'"_id": "1"' in module.decompress(body)


async def test_a_warning_is_passed_on_whichever_answer_it_came_with() -> None:
    said = iter(["first", "second"])

    def search(seen: ReceivedRequest) -> FakeResponse:
        ids = {"1", "2"} if "post_filter" in seen.json else None
        hits = [hit for hit in HITS if ids is None or hit[0] in ids]
        return FakeResponse(
            search_response(*hits), headers=[("Warning", f'299 "{next(said)}"'), ("Content-Type", "application/json")]
        )

    engine = FakeServer({"/docs/_field_caps": CAPS, "": search})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as model,
        running_endpoint(fake_settings(engine, model)) as proxy,
    ):
        got = await proxy.search(size=2, highlight={"fields": {"body": {}}})
    assert (len(engine.targets()), got.ids) == (2, ["1", "2"])
    assert sorted(got.headers.getall("Warning")) == ['299 "first"', '299 "second"']


@pytest.mark.parametrize(
    "said",
    [
        FakeResponse(b"coded", headers=[("Content-Encoding", "br")]),
        FakeResponse(b"no gzip", headers=[("Content-Encoding", "gzip")]),
        FakeResponse(b'{"error":{}}', status=400),
        FakeResponse(b'{"error":{}}', status=429),
        FakeResponse(b""),
    ],
)
async def test_an_answer_that_cannot_be_read_is_asked_for_once_more_as_the_client_did(said: FakeResponse) -> None:
    engine, headers, body = await sent([("Accept-Encoding", "gzip, br")], said)
    assert body == said.body
    assert headers["X-Rerank"] in {"skipped; why=engine_error", "skipped; why=engine_answer"}
    first, second = engine.targets()
    assert (first, second) == ("/docs/_search?from=0&size=50", "/docs/_search")
    assert engine.seen[-1].headers["Accept-Encoding"] == "gzip, br"


@pytest.mark.parametrize(
    ("deadline", "most", "searches", "left"),
    [
        (2.0, math.inf, 0, 1.9),
        (0.5, math.inf, 0, 0.475),
        (10.0, 0.4, 0, 0.38),
        (0.4, 10.0, 0, 0.38),
        (2.0, math.inf, 200, 1.7),
        (0.4, math.inf, 200, 0.19),
    ],
)
def test_a_part_of_the_deadline_is_kept_for_writing_the_answers(
    deadline: float, most: float, searches: int, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("es_rerank.server.handlers.context.time", SimpleNamespace(monotonic=lambda: 100.0))
    nothing: Any = None
    state: Any = SimpleNamespace(reranker=SimpleNamespace(searches=searches))
    exchange = Exchange(state, nothing, nothing, b"", 100.0, most)
    assert exchange.seconds_left(Rule("docs", deadline=deadline)) == pytest.approx(left)


@pytest.mark.parametrize(("body", "state"), [({}, "reranked"), ({"_source": ["tag"]}, "failed; why=deadline")])
async def test_the_time_for_a_page_that_is_fetched_after_its_window_is_kept_back(
    body: dict[str, Any], state: str
) -> None:
    slow = FakeResponse(search_response(*HITS), seconds=1.6)
    engine = FakeServer({"/docs/_field_caps": CAPS, "": slow})
    model = FakeServer({"": score_response()})
    async with (
        serve_fake(engine),
        serve_fake(model),
        running_endpoint(fake_settings(engine, model, deadline="3s")) as proxy,
    ):
        got = await proxy.search(**body)
    assert len(engine.targets()) == 1 + bool(body)
    assert got.headers["X-Rerank"].startswith(state)


async def test_many_searches_are_worked_on_a_few_at_a_time_and_keep_their_order() -> None:
    nothing: Any = None
    state: Any = SimpleNamespace(settings=fake_settings(reranker_max_requests=2))
    under_way, most = 0, 0

    async def work(number: int, letter: str) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(9 - number):
            await asyncio.sleep(0)
        under_way -= 1
        return f"{letter}{number}"

    exchange = Exchange(state, nothing, nothing, b"", 0.0)
    assert await exchange.in_turns(work, range(5), "abcde") == ["a0", "b1", "c2", "d3", "e4"]
    assert (under_way, most) == (0, 2)


async def test_of_many_searches_none_goes_on_when_one_fails_and_its_fault_comes_out_as_it_is() -> None:
    nothing: Any = None
    state: Any = SimpleNamespace(settings=fake_settings(reranker_max_requests=3))
    fault = UpstreamError("the engine broke off")
    begun, ended = [], []

    async def work(number: int) -> None:
        begun.append(number)
        try:
            await asyncio.sleep(0 if number == 1 else 60)
        finally:
            ended.append(number)
        raise fault

    with pytest.raises(UpstreamError) as raised:
        await Exchange(state, nothing, nothing, b"", 0.0).in_turns(work, range(9))
    assert raised.value is fault
    assert {0, 1, 2} <= set(begun) == set(ended)
