"""Requests with many searches: the times of all engine requests together, how many there are, and whose headers win."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from es_rerank.testing import (
    ClientReply,
    FakeResponse,
    ReceivedRequest,
    RunningEndpoint,
    search_response,
)

from .engine import BEST, CAPS, HITS, ids, msearch, render, running, search, times

ENGINE_SECONDS, MODEL_SECONDS = 0.1, 0.05
NDJSON = ("Content-Type", "application/x-ndjson")
JSON = ("Content-Type", "application/json")
# Each has its own query text, so that the model is asked for each.
TEXTS = [f"hose {number}" for number in range(6)]
PLAIN = [{"query": {"match": {"body": text}}} for text in TEXTS]
HIGHLIGHTED = [{**body, "size": 2, "highlight": {"fields": {"body": {}}}} for body in PLAIN]


def lines(bodies: Sequence[Any]) -> bytes:
    return b"".join(b'{"index":"docs"}\n' + json.dumps(body).encode() + b"\n" for body in bodies)


def templates(texts: Sequence[str]) -> list[Any]:
    return [{"id": "t", "params": {"q": text}} for text in texts]


def rank_eval(bodies: Sequence[Any]) -> Any:
    requests = [{"id": str(number), "ratings": [], "request": body} for number, body in enumerate(bodies)]
    return {"requests": requests, "metric": {"precision": {"k": 3}}}


def async_search(received: ReceivedRequest) -> FakeResponse:
    """Answer a submit with the final response."""
    response = json.loads(search_response(*HITS))
    whole = {"id": "x", "is_partial": False, "is_running": False, "response": response}
    return FakeResponse(json.dumps(whole).encode())


def evaluated(received: ReceivedRequest) -> FakeResponse:
    return FakeResponse(b'{"metric_score":1.0,"details":{},"failures":{}}')


Responder = Callable[[ReceivedRequest], FakeResponse]
ENGINE: Mapping[str, Responder] = {
    "/_render/template": render,
    "/docs/_async_search": async_search,
    "/docs/_rank_eval": evaluated,
    "/docs/_msearch": msearch,
    "/_msearch": msearch,
    "/docs/_search": search,
}


def slow(responder: Responder) -> Responder:
    return lambda received: replace(responder(received), seconds=ENGINE_SECONDS)


def model(received: ReceivedRequest) -> FakeResponse:
    """Score every text in the same order, slowly."""
    rows = [{"index": index, "score": float(index)} for index in range(len(received.json["text_2"]))]
    return FakeResponse(json.dumps({"data": rows}).encode(), seconds=MODEL_SECONDS)


@dataclass(frozen=True)
class Case:
    """A request, the engine requests that it needs at least one after another, and how many it needs in all."""

    target: str
    body: Any
    phases: int
    targets: Sequence[str]

    async def sent(self, proxy: RunningEndpoint) -> ClientReply:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return await proxy.send("POST", self.target, body, [NDJSON if isinstance(self.body, bytes) else JSON])


RENDER = "/_render/template"
CASES: Mapping[str, Case] = {
    "msearch": Case("/docs/_msearch", lines(PLAIN), 1, ["/docs/_msearch"]),
    "msearch in two phases": Case("/docs/_msearch", lines(HIGHLIGHTED), 2, ["/docs/_msearch"] * 2),
    "msearch of templates": Case(
        "/_msearch/template", lines(templates(TEXTS)), 2, [*[RENDER] * len(TEXTS), "/_msearch"]
    ),
    "rank_eval": Case("/docs/_rank_eval", rank_eval(PLAIN), 2, ["/docs/_msearch", "/docs/_rank_eval"]),
    "async_search": Case("/docs/_async_search", PLAIN[0], 1, ["/docs/_async_search?from=0&size=50"]),
    "search in two phases": Case(
        "/docs/_search", HIGHLIGHTED[0], 2, ["/docs/_search?from=0&size=50", "/docs/_search?from=0&size=2"]
    ),
    "template": Case("/docs/_search/template", templates(TEXTS)[0], 2, [RENDER, "/docs/_search/template"]),
}


def recorded(page: bytes, histogram: str) -> tuple[float, float]:
    """Return the sum and the count of a histogram, as the metrics page shows them."""
    lines = dict(line.rsplit(" ", 1) for line in page.decode().splitlines() if not line.startswith("#"))
    name = f"es_rerank_{histogram}_duration_seconds"
    return float(lines[f"{name}_sum"]), float(lines[f"{name}_count"])


@pytest.mark.parametrize("name", CASES)
async def test_times_are_those_in_which_the_engine_and_the_model_worked(name: str) -> None:
    """Requests that run at once count once: a sum over six searches would be six times as long."""
    case = CASES[name]
    says = {prefix: slow(responder) for prefix, responder in ENGINE.items()}
    async with running(says, model=model, deadline="30s") as (proxy, engine, reranker):
        started = time.monotonic()
        got = await case.sent(proxy)
        elapsed = time.monotonic() - started
        metrics = (await proxy.pages.send("GET", "/_rerank/metrics")).body
    assert got.headers["X-Rerank"].startswith("reranked")
    assert engine.targets() == case.targets
    assert reranker.seen
    found = times(got)
    assert case.phases * ENGINE_SECONDS * 0.99 <= found["engine"] <= elapsed
    assert found["rerank"] >= MODEL_SECONDS * 0.99
    assert found["proxy"] > 0.0
    # Neither overlaps with the other here, and nothing is left out.
    assert elapsed - 0.5 < sum(found.values()) <= elapsed + 0.001
    for histogram, header in {"engine": "engine", "rerank": "rerank", "overhead": "proxy"}.items():
        total, count = recorded(metrics, histogram)
        assert total == pytest.approx(found[header], abs=0.05)
        assert count == 1.0


@pytest.mark.parametrize("name", CASES)
async def test_a_request_that_the_model_does_not_see_has_no_rerank_time(name: str) -> None:
    """With `X-Rerank-Mode: off` the time of the one engine request is shown, and no histogram of the reranker."""
    case = CASES[name]
    says = {prefix: slow(responder) for prefix, responder in ENGINE.items()}
    async with running(says, model=model) as (proxy, _, reranker):
        body = case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode()
        started = time.monotonic()
        got = await proxy.send("POST", case.target, body, [NDJSON, ("X-Rerank-Mode", "off")])
        elapsed = time.monotonic() - started
        metrics = (await proxy.pages.send("GET", "/_rerank/metrics")).body
    assert (got.headers["X-Rerank"], reranker.seen) == ("skipped; why=off", [])
    found = times(got)
    assert ENGINE_SECONDS * 0.99 <= found["engine"] <= elapsed
    assert found["rerank"] == 0.0
    total, count = recorded(metrics, "engine")
    # The response body is still on its way when the header is written.
    assert found["engine"] - 0.001 <= total <= elapsed
    assert count == 1.0
    assert recorded(metrics, "rerank") == (0.0, 0.0)


async def test_an_error_for_an_engine_that_breaks_off_shows_the_times_too() -> None:
    broken = FakeResponse([b"{"], seconds=ENGINE_SECONDS, cut_off=True)
    async with running({"/docs/_msearch": broken}) as (proxy, _, _):
        started = time.monotonic()
        got = await CASES["msearch"].sent(proxy)
        elapsed = time.monotonic() - started
        metrics = (await proxy.pages.send("GET", "/_rerank/metrics")).body
    assert (got.status, got.headers["X-Rerank"]) == (502, "skipped; why=engine_error")
    assert ENGINE_SECONDS * 0.99 <= times(got)["engine"] <= elapsed
    assert recorded(metrics, "engine")[0] == pytest.approx(times(got)["engine"], abs=0.05)


def which(received: ReceivedRequest) -> str:
    """Name a request to the engine, and its phase by what it asks for."""
    path = received.target.partition("?")[0]
    fetch = b'"post_filter"' in received.body or b'\\"post_filter\\"' in received.body
    return f"{path} fetch" if fetch else path


def labelled(responder: Responder) -> Responder:
    """Add headers that say which request a response is for."""

    def answer(received: ReceivedRequest) -> FakeResponse:
        name = which(received)
        more = [("X-Which", name), ("Warning", f'299 "{name}"')]
        if name.endswith("fetch"):
            more.append(("X-Fetch", "1"))
        response = responder(received)
        return replace(response, headers=[*response.headers, *more])

    return answer


def template_search(received: ReceivedRequest) -> FakeResponse:
    """Answer `_search/template` with the search that its template renders to."""
    return search(replace(received, body=received.json["params"]["search"].encode()))


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("msearch", "/docs/_msearch"),
        ("msearch in two phases", "/docs/_msearch"),
        ("msearch of templates", "/_msearch"),
        ("rank_eval", "/docs/_rank_eval"),
        ("async_search", "/docs/_async_search"),
        ("template", "/docs/_search/template"),
    ],
)
async def test_the_headers_are_those_of_the_engines_reply_to_the_clients_own_request(name: str, own: str) -> None:
    caps = replace(CAPS, headers=[*CAPS.headers, ("X-Which", "_field_caps"), ("X-Caps", "1")])
    says: dict[str, Any] = {prefix: labelled(responder) for prefix, responder in ENGINE.items()}
    says = {"/docs/_field_caps": caps, "/docs/_search/template": labelled(template_search), **says}
    async with running(says) as (proxy, engine, _):
        got = await CASES[name].sent(proxy)
    assert (got.status, got.headers["X-Rerank"].partition(";")[0]) == (200, "reranked")
    assert got.headers.getall("X-Which") == [own]
    assert {"X-Caps", "X-Fetch"} & set(got.headers) == set()
    # Warnings are of all: the engine may send one only once.
    sent = {f'299 "{which(received)}"' for received in engine.seen if "_field_caps" not in received.target}
    assert set(got.headers.getall("Warning")) == sent
    assert len(got.headers.getall("Warning")) == len(sent)


async def test_the_encoding_is_that_of_the_engines_reply_to_the_clients_own_request() -> None:
    def zipped(received: ReceivedRequest) -> FakeResponse:
        response = msearch(received)
        assert isinstance(response.body, bytes)
        if which(received).endswith("fetch"):
            return response
        return FakeResponse(gzip.compress(response.body), headers=[JSON, ("Content-Encoding", "gzip")])

    async with running({"/docs/_msearch": zipped}) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_msearch", lines(HIGHLIGHTED), [NDJSON, ("Accept-Encoding", "gzip")])
    assert got.headers.getall("Content-Encoding") == ["gzip"]
    assert [ids(one) for one in json.loads(gzip.decompress(got.body))["responses"]] == [BEST[:2]] * len(TEXTS)


async def test_the_status_is_not_that_of_a_template_that_cannot_be_rendered() -> None:
    error = {"error": {"type": "resource_not_found_exception"}, "status": 404}

    def unrendered(received: ReceivedRequest) -> FakeResponse:
        """Refuse the unknown template, as a response to the client's own lines."""
        bodies = [json.loads(line) for line in received.body.splitlines()][1::2]
        responses = [error if body.get("id") == "unknown" else json.loads(search_response(*HITS)) for body in bodies]
        return FakeResponse(json.dumps({"responses": responses}).encode())

    body = lines([*templates(TEXTS[:2]), {"id": "unknown"}])
    async with running({"/_msearch/template": unrendered}) as (proxy, _, _):
        got = await proxy.send("POST", "/_msearch/template", body, [NDJSON])
    assert got.status == 200
    assert [ids(one) if "hits" in one else one for one in got.json["responses"]] == [BEST, BEST, error]
    assert got.headers["X-Rerank"].endswith(", skipped; why=unreadable")


@pytest.mark.parametrize("searches", [1, 2, 6])
async def test_however_many_searches_the_engine_gets_one_query_phase_and_one_fetch_phase(searches: int) -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", lines(HIGHLIGHTED[:searches]), [NDJSON])
        own = engine.targets()
        rated = await proxy.send("POST", "/docs/_rank_eval", rank_eval(PLAIN[:searches]))
    assert [ids(one) for one in got.json["responses"]] == [BEST[:2]] * searches
    assert own == ["/docs/_msearch", "/docs/_msearch"]
    sent = [received for received in engine.seen if received.target == "/docs/_msearch"]
    bodies = [[json.loads(line) for line in received.body.splitlines()][1::2] for received in sent]
    assert [len(phase) for phase in bodies[:2]] == [searches, searches]
    assert [{"post_filter" in body for body in phase} for phase in bodies[:2]] == [{False}, {True}]
    assert [{"highlight" in body for body in phase} for phase in bodies[:2]] == [{False}, {True}]
    assert rated.headers["X-Rerank"].count("reranked") == searches
    assert engine.targets()[2:] == ["/docs/_msearch", "/docs/_rank_eval"]


def narrow(received: ReceivedRequest) -> FakeResponse:
    """Fail each search for more than 20 hits whose query has the text of the first."""
    response = msearch(received)
    assert isinstance(response.body, bytes)
    whole = json.loads(response.body)
    bodies = [json.loads(line) for line in received.body.splitlines()][1::2]
    for position, body in enumerate(bodies):
        if body.get("size", 0) > 20 and TEXTS[0] in json.dumps(body):
            whole["responses"][position] = {"error": {"type": "too_many"}, "status": 400}
    return FakeResponse(json.dumps(whole).encode())


async def test_a_search_that_fails_in_the_query_phase_is_retried_in_the_second_request() -> None:
    async with running({"/docs/_msearch": narrow}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", lines(HIGHLIGHTED[:3]), [NDJSON])
    assert [ids(one) for one in got.json["responses"]] == [["1", "2"], BEST[:2], BEST[:2]]
    reasons = [entry.partition("; window")[0] for entry in got.headers["X-Rerank"].split(", ")]
    assert reasons == ["skipped; why=engine_error", "reranked", "reranked"]
    assert engine.targets() == ["/docs/_msearch"] * 2
    bodies = [json.loads(line) for line in engine.seen[-1].body.splitlines()][1::2]
    assert bodies[0] == HIGHLIGHTED[0]
    assert ["post_filter" in body for body in bodies] == [False, True, True]


async def test_a_template_that_fails_in_the_query_phase_is_retried_at_its_own_path() -> None:
    client_lines = lines(templates(TEXTS[:3]))
    unchanged = FakeResponse(json.dumps({"responses": [json.loads(search_response(*HITS[:1]))] * 3}).encode())
    async with running({"/_msearch/template": unchanged, "/_msearch": narrow}) as (proxy, engine, _):
        got = await proxy.send("POST", "/_msearch/template", client_lines, [NDJSON])
    assert [ids(one) for one in got.json["responses"]] == [["1"], BEST, BEST]
    assert engine.targets() == [*[RENDER] * 3, "/_msearch", "/_msearch/template"]
    assert engine.seen[-1].body == client_lines


@pytest.mark.parametrize(
    "failure",
    [FakeResponse(b'{"error":{}}', status=503), FakeResponse(b'{"responses":[]}'), FakeResponse(b"no json")],
)
async def test_if_the_fetch_phase_fails_all_searches_are_sent_as_the_client_wrote_them(failure: FakeResponse) -> None:
    def failing(received: ReceivedRequest) -> FakeResponse:
        return failure if which(received).endswith("fetch") else msearch(received)

    body = lines(HIGHLIGHTED[:2])
    async with running({"/docs/_msearch": failing}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", body, [NDJSON])
    assert got.status == 200
    assert [ids(one) for one in got.json["responses"]] == [["1", "2"]] * 2
    assert got.headers["X-Rerank"] == "skipped; why=engine_error, skipped; why=engine_error"
    assert engine.targets() == ["/docs/_msearch"] * 3
    assert engine.seen[-1].body == body
