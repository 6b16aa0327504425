from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from es_rerank.model import CallOptions, Rule, Scored, ScoreRequest
from es_rerank.search.formats.endpoints import Endpoint, EndpointRequest
from es_rerank.server.handlers import inference
from es_rerank.server.handlers.context import SearchCall
from es_rerank.testing import FakeResponse

from .engine import running

AUTHENTICATE = "/_security/_authenticate"
ASKED = {"query": "leaking hose", "input": ["opening hours", "mend a hose", "a hose"]}


@pytest.mark.parametrize("target", ["/_inference/rerank/mine", "/_inference/mine"])
async def test_a_listed_id_is_answered_by_the_reranker(target: str) -> None:
    async with running(inference_ids="mine,other") as (proxy, engine, reranker):
        got = await proxy.send("POST", target, ASKED)
    assert [one["index"] for one in got.json["rerank"]] == [1, 2, 0]
    scores = [one["relevance_score"] for one in got.json["rerank"]]
    assert scores == sorted(scores, reverse=True)
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers.getall("X-Elastic-Product") == ["Elasticsearch"]
    assert got.headers["X-Rerank"].startswith("reranked; window=3")
    assert (engine.targets(), reranker.seen[0].json["text_1"]) == ([AUTHENTICATE], "leaking hose")


async def test_a_client_of_a_version_gets_its_media_type() -> None:
    vendor = "application/vnd.elasticsearch+json; compatible-with=8"
    async with running(inference_ids="mine") as (proxy, _, _):
        got = await proxy.send("POST", "/_inference/rerank/mine", ASKED, [("Accept", vendor)])
    assert got.headers["Content-Type"] == vendor


async def test_any_other_id_is_passed_through() -> None:
    async with running({"/_inference": FakeResponse(b'{"rerank":[]}')}, inference_ids="mine") as (proxy, engine, _):
        got = await proxy.send("POST", "/_inference/rerank/theirs", ASKED)
    assert (got.body, "X-Rerank" in got.headers) == (b'{"rerank":[]}', False)
    assert engine.seen[0].json == ASKED


@pytest.mark.parametrize(("body", "names"), [({"input": ["a"]}, "query"), ({"query": "a"}, "input"), ([], "")])
async def test_an_unreadable_request_is_an_error_that_names_the_field(body: Any, names: str) -> None:
    async with running(inference_ids="mine") as (proxy, _, _):
        got = await proxy.send("POST", "/_inference/rerank/mine", body)
    assert (got.status, got.json["status"]) == (400, 400)
    assert names in got.json["error"]["reason"]


async def test_a_failure_of_the_model_is_an_error_that_no_client_retries() -> None:
    async with running(model=FakeResponse(b"busy", status=429), inference_ids="mine") as (proxy, _, _):
        got = await proxy.send("POST", "/_inference/rerank/mine", ASKED)
    assert (got.status, got.headers["X-Rerank"]) == (500, "failed; why=overloaded")


async def test_a_request_above_the_limits_is_an_error_in_the_engines_format() -> None:
    async with running(inference_ids="mine", max_body=8192) as (proxy, engine, reranker):
        many = await proxy.send("POST", "/_inference/rerank/mine", {"query": "q", "input": ["a"] * 1001})
        long = await proxy.send("POST", "/_inference/rerank/mine", {"query": "q", "input": ["a" * 9000]})
    assert (many.status, many.json["error"]["reason"]) == (400, "[input] must contain at most 1000 texts, not 1001")
    assert (long.status, long.json["error"]["type"]) == (413, "content_too_long_exception")
    assert long.json["error"]["reason"] == "the body is longer than 8192 bytes"
    assert (set(engine.targets()), reranker.seen) == ({AUTHENTICATE}, [])


async def test_the_engine_never_gets_a_request_for_a_listed_id(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(inference_ids="mine") as (proxy, engine, _):
        off = await proxy.send("POST", "/_inference/rerank/mine", ASKED, [("X-Rerank-Mode", "off")])
        coded = await proxy.send("POST", "/_inference/rerank/mine", ASKED, [("Content-Encoding", "br")])
        monkeypatch.setattr(inference, "write", lambda *_: 1 / 0)
        failed = await proxy.send("POST", "/_inference/rerank/mine", ASKED)
    assert (off.status, len(off.json["rerank"])) == (200, 3)
    assert (coded.status, coded.json["error"]["reason"]) == (400, "the body is not valid br, or too long")
    assert (failed.status, failed.json["error"]["type"]) == (500, "es_rerank_exception")
    assert set(engine.targets()) == {AUTHENTICATE}


async def test_either_all_documents_are_scored_or_none() -> None:
    """A search can show some hits in the engine's order, but a client of this API gets all scores or an error."""
    requests: list[ScoreRequest] = []

    async def score(request: ScoreRequest) -> Scored:
        requests.append(request)
        return Scored([0.25, 0.75], 1, "some/model")

    rule = Rule("default", deadline=2.0)
    state: Any = SimpleNamespace(rules=SimpleNamespace(default_rule=rule))
    request: Any = SimpleNamespace(headers={})
    session: Any = SimpleNamespace(score=score)
    body = b'{"query":"hose","input":["a","b"]}'
    call = SearchCall(state, request, EndpointRequest("", endpoint=Endpoint.INFERENCE), body, CallOptions(100.0))
    result = await inference.handle(call, session)
    assert requests == [ScoreRequest("hose", ("a", "b"), rule, 102.0, whole=True)]
    (outcome,) = result.outcomes
    assert (outcome.window, outcome.of, outcome.cached, outcome.model) == (2, 2, 1, "some/model")
