from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from es_rerank.model import CallOptions, Rule, Scored, ScoreRequest, Search, Skip, Why
from es_rerank.search.formats.endpoints import Endpoint, EndpointRequest
from es_rerank.server.handlers import context
from es_rerank.server.handlers.context import EngineSession, SearchCall
from es_rerank.server.memory import Hold, MemoryBudget
from es_rerank.server.timings import Timings
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
from tests.server.handlers.engine import running, search, times
from tests.server.test_dispatch import CAPS, HITS


async def sent(
    headers: list[tuple[str, str]], response: FakeResponse | None = None, **settings: object
) -> tuple[FakeServer, dict[str, str], bytes]:
    """Search with these headers; return the engine, and the headers and body of the response."""
    engine = FakeServer({"/docs/_field_caps": CAPS, "": response or FakeResponse(search_response(*HITS))})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as model,
        running_endpoint(fake_settings(engine, model, **settings)) as proxy,
    ):
        got = await proxy.search(headers=headers)
        return engine, dict(got.headers), got.body


async def test_the_engine_gets_the_headers_of_the_client() -> None:
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
    ("client", "engine_gets"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br", None),
        ("", None),
        ("gzip;q=0.5,br", "gzip;q=0.5"),
        ("gzip;q=0", "gzip;q=0"),
    ],
)
async def test_only_encodings_that_can_be_read_are_accepted(client: str, engine_gets: str | None) -> None:
    engine, _, _ = await sent([("Accept-Encoding", client)] if client else [], engine_compression="on")
    assert engine.seen[1].headers.get("Accept-Encoding") == engine_gets


@pytest.mark.parametrize("setting", ["auto", "off"])
@pytest.mark.parametrize(
    ("client", "coding"), [("gzip, deflate, br", "gzip"), ("deflate", "deflate"), ("br", None), ("gzip;q=0", None)]
)
async def test_an_engine_that_is_near_does_not_compress_but_the_client_gets_what_it_accepts(
    setting: str, client: str, coding: str | None
) -> None:
    engine, headers, body = await sent([("Accept-Encoding", client)], engine_compression=setting)
    assert "Accept-Encoding" not in engine.seen[1].headers
    assert headers.get("Content-Encoding") == coding
    unpacked = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[coding](body)
    assert b'"_id": "1"' in unpacked
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(("coding", "module"), [("gzip", gzip), ("deflate", zlib)])
async def test_a_compressed_response_stays_compressed(coding: str, module: Any) -> None:
    coded = FakeResponse(
        module.compress(search_response(*HITS)), headers=[("Content-Encoding", coding), ("Warning", '299 "x"')]
    )
    _, headers, body = await sent([("Accept-Encoding", coding)], coded)
    assert (headers["Content-Encoding"], headers["Warning"]) == (coding, '299 "x"')
    assert headers["X-Rerank"].startswith("reranked")
    assert b'"_id": "1"' in module.decompress(body)


async def test_the_warnings_of_all_engine_responses_reach_the_client() -> None:
    texts = iter(["first", "second"])

    def search(seen: ReceivedRequest) -> FakeResponse:
        ids = {"1", "2"} if "post_filter" in seen.json else None
        hits = [hit for hit in HITS if ids is None or hit[0] in ids]
        return FakeResponse(
            search_response(*hits), headers=[("Warning", f'299 "{next(texts)}"'), ("Content-Type", "application/json")]
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
    "response",
    [
        FakeResponse(b"coded", headers=[("Content-Encoding", "br")]),
        FakeResponse(b"no gzip", headers=[("Content-Encoding", "gzip")]),
        FakeResponse(b'{"error":{}}', status=400),
        FakeResponse(b'{"error":{}}', status=429),
        FakeResponse(b""),
    ],
)
async def test_after_an_unreadable_response_the_clients_own_request_is_sent(response: FakeResponse) -> None:
    engine, headers, body = await sent([("Accept-Encoding", "gzip, br")], response)
    assert body == response.body
    assert headers["X-Rerank"] in {"skipped; why=engine_error", "skipped; why=engine_answer"}
    first, second = engine.targets()
    assert (first, second) == ("/docs/_search?from=0&size=50", "/docs/_search")
    assert engine.seen[-1].headers["Accept-Encoding"] == "gzip, br"


class IdleReranker:
    """Notes what it is asked, and scores nothing."""

    def __init__(self, searches: int) -> None:
        self.searches = searches
        self.requests: list[ScoreRequest] = []

    async def score(self, request: ScoreRequest) -> Scored:
        self.requests.append(request)
        return Scored([], 0, "some/model")


@pytest.mark.parametrize(
    ("rule", "client", "searches", "left"),
    [
        (2.0, math.inf, 0, 1.9),
        (0.5, math.inf, 0, 0.475),
        (10.0, 0.4, 0, 0.38),
        (0.4, 10.0, 0, 0.38),
        (2.0, math.inf, 200, 1.7),
        (0.4, math.inf, 200, 0.19),
    ],
)
async def test_a_part_of_the_deadline_is_reserved_for_writing_the_responses(
    rule: float, client: float, searches: int, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("es_rerank.server.handlers.context.time", SimpleNamespace(monotonic=lambda: 100.0))
    reranker = IdleReranker(searches)
    state: Any = SimpleNamespace(reranker=reranker)
    options = CallOptions(100.0, 100.0 + client)
    session = EngineSession(call_of(state, options), Timings(), Hold(MemoryBudget(10**9)))
    deadline = options.deadline_of(Rule("docs", deadline=rule))
    asked = ScoreRequest("hose", ["a hose"], Rule("docs"), deadline)
    assert await session.score(asked) == Scored([], 0, "some/model")
    (received,) = reranker.requests
    assert received.deadline - 100.0 == pytest.approx(left)
    assert replace(received, deadline=deadline) == asked


async def test_however_many_searches_wait_half_of_the_time_that_is_left_is_the_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine took 1.6 of 3 seconds, and 0.1 are reserved: of the other 1.3 the model gets half."""
    monkeypatch.setattr("es_rerank.server.handlers.context.time", SimpleNamespace(monotonic=lambda: 101.6))
    reranker = IdleReranker(searches=2000)
    state: Any = SimpleNamespace(reranker=reranker)
    session = EngineSession(call_of(state, CallOptions(100.0)), Timings(), Hold(MemoryBudget(10**9)))
    await session.score(ScoreRequest("hose", ["a hose"], Rule("docs"), 103.0))
    assert reranker.requests[0].deadline == pytest.approx(101.6 + 0.65)


def call_of(state: Any, options: CallOptions) -> SearchCall:
    """Make the call of a search without a client."""
    nothing: Any = None
    return SearchCall(state, nothing, EndpointRequest("docs", endpoint=Endpoint.SEARCH), b"", options)


@pytest.mark.parametrize(("body", "state"), [({}, "reranked"), ({"_source": ["tag"]}, "failed; why=deadline")])
async def test_the_time_of_a_fetch_phase_is_reserved(body: dict[str, Any], state: str) -> None:
    """Engine and model need 0.3 and 0.95 of 1.5 seconds: too much if the engine gets two requests."""
    slow = FakeResponse(search_response(*HITS), seconds=0.3)
    engine = FakeServer({"/docs/_field_caps": CAPS, "": slow})
    model = FakeServer({"": lambda seen: replace(score_response()(seen), seconds=0.95)})
    async with (
        serve_fake(engine),
        serve_fake(model),
        running_endpoint(fake_settings(engine, model, deadline="1500ms")) as proxy,
    ):
        got = await proxy.search(**body)
    assert len(engine.targets()) == 1 + bool(body)
    assert got.headers["X-Rerank"].startswith(state)


@pytest.mark.parametrize("target", ["/docs/_search?q=hose&_source=tag", "/docs/_search?q=hose&_source=false&size=2"])
async def test_a_body_of_es_rerank_in_a_search_without_one_is_sent_as_json(target: str) -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.send("GET", target)
    assert got.headers["X-Rerank"].startswith("reranked")
    with_body = [received for received in engine.seen if received.body]
    assert with_body
    assert {received.method for received in with_body} == {"GET"}
    assert {received.headers.get("Content-Type") for received in with_body} == {"application/json"}
    assert [received.headers.get("Content-Type") for received in engine.seen if not received.body] == [None]


async def test_the_body_of_a_client_is_sent_with_the_type_that_it_has() -> None:
    engine, headers, _ = await sent([("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")])
    assert headers["X-Rerank"].startswith("reranked")
    assert engine.seen[-1].headers["Content-Type"] == "application/vnd.elasticsearch+json;compatible-with=8"


@pytest.mark.parametrize(("body", "requests"), [({}, 1), ({"_source": ["tag"]}, 2)])
async def test_the_engine_time_is_that_of_all_requests_one_after_another(body: dict[str, Any], requests: int) -> None:
    delay = 0.2
    engine = FakeServer({"/docs/_field_caps": CAPS, "": FakeResponse(search_response(*HITS), seconds=delay)})
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as model,
        running_endpoint(fake_settings(engine, model)) as proxy,
    ):
        got = await proxy.search(**body)
    assert len(engine.targets()) == requests
    assert times(got)["engine"] >= requests * delay * 0.99


async def test_the_time_for_field_types_is_engine_time_and_that_of_the_model_is_rerank_time() -> None:
    delay = 0.2
    engine = FakeServer({"/docs/_field_caps": replace(CAPS, seconds=delay), "": FakeResponse(search_response(*HITS))})
    model = FakeServer({"": lambda seen: replace(score_response()(seen), seconds=delay)})
    async with (
        serve_fake(engine),
        serve_fake(model),
        running_endpoint(fake_settings(engine, model)) as proxy,
    ):
        got = await proxy.search()
    assert got.headers["X-Rerank"].startswith("reranked")
    assert times(got)["engine"] >= delay * 0.99
    assert times(got)["rerank"] >= delay * 0.99


async def test_field_types_may_take_half_of_the_time_from_the_arrival_of_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: list[float] = []

    async def resolve(_search: Search, _headers: Any, seconds: float, **_: Any) -> None:
        limits.append(seconds)

    monkeypatch.setattr(context, "time", SimpleNamespace(monotonic=lambda: 100.3))
    monkeypatch.setattr(context.client_request, "headers", lambda *_: CIMultiDict())
    monkeypatch.setattr(context.client_request, "uses_service_credentials", lambda *_: False)
    rules = SimpleNamespace(default_rule=Rule("default", deadline=2.0))
    engine_times, indices = SimpleNamespace(allow_two=lambda *_: True), SimpleNamespace(resolve=resolve)
    parts = {"rules": rules, "indices": indices, "engine_times": engine_times, "reranker": IdleReranker(0)}
    state: Any = SimpleNamespace(**parts, settings=None)
    session = EngineSession(call_of(state, CallOptions(100.0)), Timings(), Hold(MemoryBudget(10**9)))
    nothing: Any = None
    assert await session.ports(nothing).resolve_index(Search("docs")) == Skip(Why.MAPPING)
    assert limits == [pytest.approx(0.7)]
    assert await session.ports(nothing).resolve_index(Search(".secret")) == Skip(Why.HIDDEN_INDEX)


async def test_a_search_whose_index_has_a_pipeline_that_cuts_the_hits_is_left_to_the_engine() -> None:
    version = ("X-OpenSearch-Version", "OpenSearch/3.6.0 (opensearch)")
    settings = b'{"docs":{"settings":{"index.search.default_pipeline":"cut"}}}'
    says = {
        "/docs/_field_caps": replace(CAPS, headers=[version]),
        "/docs/_settings": FakeResponse(settings),
        "/_search/pipeline/cut": FakeResponse(b'{"cut":{"response_processors":[{"truncate_hits":{"target_size":3}}]}}'),
    }
    async with running(says) as (proxy, _, _):
        got = await proxy.search()
    assert got.headers["X-Rerank"] == "skipped; why=search_pipeline"


async def test_a_window_that_the_engine_has_refused_is_smaller_for_the_next_search() -> None:
    reason = b"Result window is too large, from + size must be less than or equal to: [3] but was [50]."
    refused = FakeResponse(b'{"error":{"reason":"%b"},"status":400}' % reason, status=400)
    says = {"/docs/_search": lambda seen: refused if "size=50" in seen.target else search(seen)}
    async with running(says) as (proxy, engine, _):
        for _ in range(2):
            await proxy.search(size=2)
    assert engine.targets() == ["/docs/_search?from=0&size=50", "/docs/_search", "/docs/_search?from=0&size=3"]
