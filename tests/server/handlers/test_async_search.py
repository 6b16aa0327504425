from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from es_rerank.model import Rule
from es_rerank.search.formats.async_search import recall, token
from es_rerank.server.handlers import async_search
from es_rerank.testing import CAPS, ClientReply, FakeResponse, ReceivedRequest, RunningEndpoint
from tests.search.builders import a_plan

from .engine import BEST, HOSE, found, ids, running

ENGINE_ID = "FmRldE8zREVEUzA2ZVpUeGs2ejJFUFEaMkZ5QTVrSTZSaVN3WlNFVmtlWHJsdzoxMDc="
PATHS = {"elasticsearch": "/docs/_async_search", "opensearch": "/_plugins/_asynchronous_search?index=docs"}


def wrapped(kind: str, inner: bytes | None, *, running_still: bool) -> FakeResponse:
    """Write an answer as the documentation of each engine has it."""
    state: dict[str, Any] = (
        {"is_partial": running_still, "is_running": running_still}
        if kind == "elasticsearch"
        else {"state": "RUNNING" if running_still else "SUCCEEDED"}
    )
    whole = {"id": ENGINE_ID, **state, "start_time_in_millis": 1, "expiration_time_in_millis": 2}
    if inner is not None:
        whole["response"] = json.loads(inner)
    head = [("Content-Type", "application/json"), ("X-Elasticsearch-Async-Id", ENGINE_ID)]
    return FakeResponse(json.dumps(whole).encode(), headers=head)


def engine(kind: str, *, ready_at: int) -> Callable[[ReceivedRequest], FakeResponse]:
    """Search in the background: the answer is there at the request with this number."""
    asked: list[str] = []
    stored: list[bytes] = []

    def say(seen: ReceivedRequest) -> FakeResponse:
        asked.append(seen.target)
        if seen.method == "DELETE":
            return FakeResponse(b'{"acknowledged":true}')
        if seen.method == "POST":
            stored.append(found(json.loads(seen.body), seen.target))
        still = len(asked) <= ready_at
        return wrapped(kind, stored[0], running_still=still)

    return say


def polled(kind: str, client_id: str) -> str:
    return PATHS[kind].partition("?")[0].replace("/docs", "") + "/" + quote(client_id, safe="")


async def submit(proxy: RunningEndpoint, kind: str, **body: Any) -> ClientReply:
    return await proxy.send("POST", PATHS[kind], {**HOSE, **body})


@pytest.mark.parametrize("kind", PATHS)
async def test_a_response_that_is_final_at_submit_is_reranked_at_submit(kind: str) -> None:
    async with running({"/": engine(kind, ready_at=0)}) as (proxy, fake, _):
        got = await submit(proxy, kind, size=2)
    assert ids(got.json["response"]) == BEST[:2]
    assert got.headers["X-Rerank"].startswith("reranked; window=4")
    assert fake.targets()[-1].endswith("from=0&size=50")


@pytest.mark.parametrize("kind", PATHS)
async def test_a_response_that_is_final_at_a_poll_is_reranked_by_any_replica(kind: str) -> None:
    """The second endpoint has never seen the first one's request."""
    async with running({"/": engine(kind, ready_at=1)}) as (first, fake, _):
        began = await submit(first, kind, size=2, **{"from": 1})
        client_id = began.json["id"]
        assert ids(began.json["response"]) == ["2", "3"]
        assert began.headers["X-Rerank"] == "skipped; why=partial"
        assert client_id.startswith(ENGINE_ID)
        assert began.headers["X-Elasticsearch-Async-Id"] == client_id
        async with running({"/": fake.says["/"]}) as (second, other, _):
            ended = await second.send("GET", polled(kind, client_id) + "?keep_alive=1m")
    assert ids(ended.json["response"]) == BEST[1:3]
    assert ended.headers["X-Rerank"].startswith("reranked; window=4")
    assert ended.json["id"] == client_id
    assert other.targets() == [polled(kind, ENGINE_ID).replace("%3D", "=") + "?keep_alive=1m"]


async def test_status_and_delete_reach_the_engine_by_its_own_id() -> None:
    async with running({"/": engine("elasticsearch", ready_at=9)}) as (proxy, fake, _):
        client_id = (await submit(proxy, "elasticsearch")).json["id"]
        status = await proxy.send("GET", f"/_async_search/status/{quote(client_id, safe='')}")
        ended = await proxy.send("DELETE", f"/_async_search/{quote(client_id, safe='')}")
    assert (status.json["id"], ended.json) == (client_id, {"acknowledged": True})
    assert fake.targets()[1:] == [f"/_async_search/status/{ENGINE_ID}", f"/_async_search/{ENGINE_ID}"]
    assert fake.seen[-1].method == "DELETE"


@pytest.mark.parametrize("client_id", [ENGINE_ID, ENGINE_ID + ".r1xxxx", "x"])
async def test_an_id_without_a_plan_is_passed_through(client_id: str) -> None:
    async with running({"/_async": FakeResponse(b'{"what":"ever"}')}) as (proxy, fake, _):
        got = await proxy.send("GET", f"/_async_search/{client_id}")
    assert (got.body, fake.targets()) == (b'{"what":"ever"}', [f"/_async_search/{client_id}"])
    assert "X-Rerank" not in got.headers


async def test_a_skipped_search_is_submitted_unchanged() -> None:
    async with running({"/docs/_async_search": wrapped("elasticsearch", None, running_still=True)}) as (proxy, fake, _):
        got = await submit(proxy, "elasticsearch", sort="date")
    assert (got.json["id"], got.headers["X-Rerank"]) == (ENGINE_ID, "skipped; why=sort")
    assert fake.targets() == ["/docs/_async_search"]


async def test_an_error_of_the_engine_is_passed_on() -> None:
    gone = FakeResponse(b'{"error":{"type":"resource_not_found_exception"},"status":404}', status=404)
    async with running({"/": engine("elasticsearch", ready_at=9)}) as (proxy, fake, _):
        client_id = (await submit(proxy, "elasticsearch")).json["id"]
        fake.says["/"] = gone
        got = await proxy.send("GET", f"/_async_search/{quote(client_id, safe='')}")
    assert (got.status, got.body) == (404, gone.body)


async def test_if_the_rule_is_gone_the_page_has_the_engines_order(tmp_path: Path) -> None:
    says = {"/": engine("elasticsearch", ready_at=1)}
    async with running(says) as (first, _, _):
        client_id = (await submit(first, "elasticsearch", size=3)).json["id"]
    (tmp_path / "other.yaml").write_text("index: other\n")
    async with running(says, mappings=tmp_path) as (second, _, _):
        got = await second.send("GET", f"/_async_search/{quote(client_id, safe='')}")
    assert ids(got.json["response"]) == ["1", "2", "3"]
    assert got.headers["X-Rerank"] == "skipped; why=off"


async def test_the_deadline_of_a_slow_search_runs_from_the_engines_response() -> None:
    """The client chose to wait for the engine: that does not count."""

    def slow(seen: ReceivedRequest) -> FakeResponse:
        response = engine("elasticsearch", ready_at=0)(seen)
        return FakeResponse(response.body, headers=response.headers, seconds=1.1)

    async with running({"/": slow}, deadline="1s") as (proxy, _, _):
        got = await submit(proxy, "elasticsearch")
    assert got.headers["X-Rerank"].startswith("reranked")


@pytest.mark.parametrize("kind", PATHS)
async def test_a_submit_without_a_search_response_yet_has_the_id_of_the_client(kind: str) -> None:
    async with running({"/": wrapped(kind, None, running_still=True)}) as (proxy, fake, reranker):
        got = await submit(proxy, kind, size=2)
    assert (got.status, got.headers["X-Rerank"]) == (200, "skipped; why=partial")
    assert got.json["id"].startswith(ENGINE_ID + ".r1")
    assert got.headers["X-Elasticsearch-Async-Id"] == got.json["id"]
    assert "response" not in got.json
    assert len(fake.targets()) == 1
    assert reranker.seen == []


@pytest.mark.parametrize("body", [b"no json", b'{"acknowledged":true}', b"[]"])
async def test_a_submit_that_cannot_be_read_is_not_sent_a_second_time(body: bytes) -> None:
    async with running({"/docs/_async_search": FakeResponse(body)}) as (proxy, fake, _):
        got = await submit(proxy, "elasticsearch")
    assert (got.body, got.headers["X-Rerank"]) == (body, "skipped; why=engine_answer")
    assert len(fake.targets()) == 1


async def test_a_submit_that_the_engine_refuses_is_sent_as_the_client_wrote_it() -> None:
    refused = FakeResponse(b'{"error":{}}', status=400)
    async with running({"/docs/_async_search": refused}) as (proxy, fake, _):
        got = await submit(proxy, "elasticsearch")
    assert (got.status, got.body, got.headers["X-Rerank"]) == (400, refused.body, "skipped; why=engine_error")
    assert fake.targets() == ["/docs/_async_search?from=0&size=50", "/docs/_async_search"]


@pytest.mark.parametrize("kind", PATHS)
async def test_with_reranking_off_a_poll_and_a_delete_still_reach_the_engine_by_its_own_id(kind: str) -> None:
    off = [("X-Rerank-Mode", "off")]
    async with running({"/": engine(kind, ready_at=1)}) as (proxy, fake, reranker):
        target = polled(kind, (await submit(proxy, kind, size=2)).json["id"])
        got = await proxy.send("GET", target, None, off)
        ended = await proxy.send("DELETE", target, None, off)
    assert (ids(got.json["response"]), got.headers["X-Rerank"]) == (["1", "2"], "skipped; why=off")
    assert ended.json == {"acknowledged": True}
    assert fake.targets()[1:] == [polled(kind, ENGINE_ID).replace("%3D", "=")] * 2
    assert reranker.seen == []


async def test_a_submit_whose_response_is_too_long_is_not_sent_a_second_time() -> None:
    long = FakeResponse(b"{" + b" " * 2_000 + b"}")
    async with running({"/docs/_async_search": long}, max_answer=1_024) as (proxy, fake, _):
        got = await submit(proxy, "elasticsearch")
    assert (got.status, got.headers["X-Rerank"]) == (502, "skipped; why=engine_error")
    assert "the search was submitted" in got.json["error"]["reason"]
    assert len(fake.targets()) == 1


async def test_a_failure_after_the_submit_returns_the_engines_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_search, "token", lambda *_: 1 / 0)
    async with running({"/": engine("elasticsearch", ready_at=0)}) as (proxy, fake, _):
        got = await submit(proxy, "elasticsearch")
    assert (got.status, got.json["id"], got.headers["X-Rerank"]) == (200, ENGINE_ID, "failed; why=internal")
    assert len(fake.targets()) == 1


async def test_a_failure_in_a_poll_passes_the_poll_to_the_engine_by_its_own_id(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running({"/": engine("elasticsearch", ready_at=1)}) as (proxy, fake, _):
        client_id = (await submit(proxy, "elasticsearch")).json["id"]
        monkeypatch.setattr(async_search, "token", lambda *_: 1 / 0)
        got = await proxy.send("GET", polled("elasticsearch", client_id))
    assert (got.status, got.json["id"], got.headers["X-Rerank"]) == (200, ENGINE_ID, "failed; why=internal")
    assert fake.targets()[1:] == [polled("elasticsearch", ENGINE_ID).replace("%3D", "=")] * 2


def forged(client_id: str, **changes: Any) -> str:
    """Return an id with another plan."""
    engine_id, plan = recall(client_id, Rule) or ("", a_plan())
    return token(engine_id, replace(plan, **changes))


async def poll(proxy: RunningEndpoint, client_id: str, *headers: tuple[str, str]) -> ClientReply:
    return await proxy.send("GET", polled("elasticsearch", client_id), None, headers)


@pytest.mark.parametrize("target", ["docs", "other", "docs,other", ""])
@pytest.mark.parametrize("rule", ["other", "default", "nothing"])
async def test_a_made_up_id_lets_no_index_be_read_whose_rule_says_off(tmp_path: Path, target: str, rule: str) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nmode: off\n")
    (tmp_path / "other.yaml").write_text("index: other\n")

    def caps(seen: ReceivedRequest) -> FakeResponse:
        asked = seen.target.partition("/_field_caps")[0].strip("/").replace("%2C", ",")
        names = asked.split(",") if asked else ["docs", "other"]
        return FakeResponse(json.dumps({**CAPS, "indices": names}).encode())

    rows = {"/other/_field_caps": caps, "/docs%2Cother/_field_caps": caps, "/_field_caps": caps}
    says = {**rows, "/docs/_field_caps": caps, "/": engine("elasticsearch", ready_at=1)}
    async with running(says, mappings=tmp_path) as (proxy, _, reranker):
        plan = a_plan(rule=Rule(rule), passage_fields=("body",), target=target, size=2)
        await submit(proxy, "elasticsearch")
        got = await poll(proxy, token(ENGINE_ID, plan))
    assert ids(got.json["response"]) == ["1", "2"]
    assert got.headers["X-Rerank"].startswith("skipped; why=")
    assert reranker.seen == []


async def test_an_id_with_an_alias_is_reranked_by_the_rule_of_the_alias(tmp_path: Path) -> None:
    (tmp_path / "alias.yaml").write_text("index: letters\n")
    says = {"/letters/_field_caps": FakeResponse(json.dumps(CAPS).encode()), "/": engine("elasticsearch", ready_at=1)}
    async with running(says, mappings=tmp_path) as (proxy, _, reranker):
        client_id = (await proxy.send("POST", "/letters/_async_search", {**HOSE, "size": 2})).json["id"]
        assert ids((await poll(proxy, client_id)).json["response"]) == BEST[:2]
        reranker.seen.clear()
        got = await poll(proxy, forged(client_id, target="docs"))
    assert (ids(got.json["response"]), got.headers["X-Rerank"]) == (["1", "2"], "skipped; why=no_rule")
    assert reranker.seen == []


@pytest.mark.parametrize(
    ("key", "why"), [("query_header: deny", "skipped; why=query_header"), ("mode: shadow", "shadow")]
)
async def test_an_id_bypasses_no_rule_that_forbids_the_text_or_the_order(tmp_path: Path, key: str, why: str) -> None:
    says = {"/": engine("elasticsearch", ready_at=1)}
    async with running(says) as (first, _, _):
        client_id = (await submit(first, "elasticsearch", size=2)).json["id"]
    (tmp_path / "default.yaml").write_text(f"index: docs\n{key}\n")
    async with running(says, mappings=tmp_path) as (second, _, reranker):
        got = await poll(second, client_id)
    assert (ids(got.json["response"]), got.headers["X-Rerank"]) == (["1", "2"], why)
    assert reranker.seen == []


@pytest.mark.parametrize(
    ("rule", "target", "outcome"),
    [
        ("docs", "docs", "reranked"),
        # The indices of the hits decide on the rule, whatever the index expression says.
        ("docs", "nothing", "reranked"),
        ("other", "docs", "skipped; why=rules_differ"),
    ],
)
async def test_an_id_is_reranked_by_the_rule_of_its_hits(tmp_path: Path, rule: str, target: str, outcome: str) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\n")
    (tmp_path / "other.yaml").write_text("index: other\n")
    async with running({"/": engine("elasticsearch", ready_at=1)}, mappings=tmp_path) as (proxy, _, reranker):
        await submit(proxy, "elasticsearch")
        plan = a_plan(rule=Rule(rule), passage_fields=("body",), target=target, size=2)
        got = await poll(proxy, token(ENGINE_ID, plan))
    assert got.headers["X-Rerank"].partition("; window")[0] == outcome
    assert ids(got.json["response"]) == (BEST[:2] if outcome == "reranked" else ["1", "2"])
    assert len(reranker.seen) == (outcome == "reranked")


async def test_a_response_that_cannot_be_reranked_has_its_reason() -> None:
    failure = {"shard": 0, "reason": {"type": "illegal_argument_exception"}}

    def failing(seen: ReceivedRequest) -> FakeResponse:
        whole = json.loads(found(json.loads(seen.body), seen.target))
        whole["_shards"] = {"total": 1, "failed": 1, "failures": [failure]}
        return wrapped("elasticsearch", json.dumps(whole).encode(), running_still=False)

    async with running({"/": failing}) as (proxy, _, model):
        got = await submit(proxy, "elasticsearch", size=2)
    assert got.headers["X-Rerank"] == "skipped; why=engine_error"
    assert (ids(got.json["response"]), model.seen) == (["1", "2"], [])


async def test_filter_path_cuts_a_response_that_is_final() -> None:
    async with running({"/": engine("elasticsearch", ready_at=0)}) as (proxy, _, _):
        path = f"{PATHS['elasticsearch']}?filter_path=response.hits.hits._id"
        got = await proxy.send("POST", path, {**HOSE, "size": 2})
    assert got.json == {"response": {"hits": {"hits": [{"_id": one} for one in BEST[:2]]}}}
