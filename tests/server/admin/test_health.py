from __future__ import annotations

import pytest

from es_rerank.model import Why
from es_rerank.reasons import ENGINE_UNREACHABLE, REASONS
from es_rerank.server.admin import health
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    fake_settings,
    running_endpoint,
    score_response,
    serve_fake,
    until,
)

READY = "/_rerank/health/ready"
OK = {"status": "ok", "engine": "ok", "reranker": "ok"}


async def test_an_unreachable_engine_is_told_apart_from_the_reranker_with_what_to_do() -> None:
    async with (
        serve_fake(FakeServer({"": score_response()})) as reranker,
        running_endpoint(fake_settings(reranker=reranker)) as proxy,
    ):
        reply = await proxy.pages.send("GET", READY)
    assert reply.status == 503
    assert reply.json == {
        "status": "unavailable",
        "engine": "unreachable",
        "reranker": "ok",
        "why": "the engine cannot be reached: connection refused",
        "means": ENGINE_UNREACHABLE.means,
        "do": ENGINE_UNREACHABLE.do,
    }


async def test_both_can_fail() -> None:
    async with running_endpoint(fake_settings()) as proxy:
        await proxy.pages.send("POST", "/_rerank/rank", {"query": "q", "candidates": ["a"]})
        reply = await proxy.pages.send("GET", READY)
    assert (reply.json["engine"], reply.json["reranker"]) == ("unreachable", "degraded")
    assert reply.json["why"] == ("the engine cannot be reached: connection refused; unreachable: connection refused")
    assert reply.json["do"] == f"{ENGINE_UNREACHABLE.do} {REASONS[Why.UNREACHABLE].do}"


@pytest.mark.parametrize("status", [200, 401, 503])
async def test_an_engine_that_responds_is_reachable_whatever_the_status(status: int) -> None:
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"", status=status)})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        reply = await proxy.pages.send("GET", READY)
    assert (reply.status, reply.json) == (200, OK)
    assert [(seen.method, seen.target) for seen in engine.seen] == [("HEAD", "/")]


async def test_an_engine_that_does_not_respond_in_time_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("es_rerank.engine_client.reachability._TIMEOUT_SECONDS", 0.05)
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"", seconds=0.5)})) as engine,
        running_endpoint(fake_settings(engine)) as proxy,
    ):
        reply = await proxy.pages.send("GET", READY)
    assert (reply.status, reply.json["why"]) == (503, "the engine did not respond within 0.05 s")


async def test_readiness_recovers_without_searches_after_the_reranker_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("es_rerank.rerank_client.recovery._PAUSE_SECONDS", 0.01)
    responses = [FakeResponse(b"oops", status=500)]
    async with (
        serve_fake(FakeServer({"": FakeResponse(b"{}", status=404)})) as engine,
        serve_fake(FakeServer({"": lambda seen: responses[0] if responses else score_response()(seen)})) as reranker,
        running_endpoint(fake_settings(engine, reranker)) as proxy,
    ):
        await proxy.pages.send("POST", "/_rerank/rank", {"query": "q", "candidates": ["a"]})
        assert (await proxy.pages.send("GET", READY)).json["reranker"] == "degraded"
        responses.clear()
        asked = len(reranker.seen)
        await until(lambda: len(reranker.seen) > asked)
        reply = await proxy.pages.send("GET", READY)
        metrics = await proxy.pages.send("GET", "/_rerank/metrics")
    assert reply.json == OK
    assert b"es_rerank_degraded 0.0" in metrics.body


@pytest.mark.parametrize(
    ("why", "names"),
    [
        ("", []),
        ("self_test", ["self_test"]),
        ("unreachable: connection refused", ["unreachable"]),
        ("1 of 2 servers out: refused: HTTP 401: no", ["refused"]),
        ("unreachable: connection refused; breaker; unreachable: its host name cannot", ["unreachable", "breaker"]),
        ("1 of 2 servers out: something new", []),
    ],
)
def test_faults_of_several_servers_are_explained(why: str, names: list[str]) -> None:
    reasons = [REASONS[Why(name)] for name in names]
    explained = health._explanation("", why)
    assert explained.get("why", "") == why
    assert explained.get("means", "") == " ".join(reason.means for reason in reasons)
    assert explained.get("do", "") == " ".join(reason.do for reason in reasons)
