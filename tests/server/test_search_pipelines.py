from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from es_rerank.model import EngineReply, IndexInfo, PipelineEffect
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.server.search_pipelines import Caller, SearchPipelines, identity
from es_rerank.testing import FakeResponse, search_response
from tests.search.builders import a_search
from tests.server.handlers.engine import HITS, HOSE, running

INFO = IndexInfo(("docs-1", "docs-2"), {})
CUTS = b'{"response_processors":[{"truncate_hits":{"target_size":3}}]}'
FILTERS = b'{"request_processors":[{"filter_query":{}}]}'
SETTINGS = b'{"docs":{"settings":{"index.search.default_pipeline":"%b"}}}'


class Engine:
    """Answers with what it says for the path of a request."""

    def __init__(self, says: dict[str, bytes]) -> None:
        self.says = says
        self.seen: list[str] = []

    async def ask(self, request: EngineRequest, method: str) -> EngineReply:
        assert method == "GET"
        self.seen.append(request.target)
        return EngineReply(200, body=self.says.get(request.path))


async def effect(engine: Engine, body: dict[str, Any] | None = None, **params: str) -> PipelineEffect:
    pipelines, search = SearchPipelines(), a_search(body or {}, params)
    return await pipelines.effect(search, INFO, Caller("me", engine.ask), has_defaults=True)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({}, PipelineEffect.NONE),
        ({"/docs/_settings/index.search.default_pipeline": b"{}"}, PipelineEffect.NONE),
        ({"/docs/_settings/index.search.default_pipeline": SETTINGS % b"_none"}, PipelineEffect.NONE),
        ({"/docs/_settings/index.search.default_pipeline": SETTINGS % b"cut"}, PipelineEffect.PAGE),
        (
            {
                "/docs/_settings/index.search.default_pipeline": SETTINGS % b"a/b",
                "/_search/pipeline/a%2Fb": b'{"a/b":%b}' % FILTERS,
            },
            PipelineEffect.NONE,
        ),
    ],
)
async def test_the_default_pipeline_of_an_index_is_looked_up(says: dict[str, bytes], expected: PipelineEffect) -> None:
    assert await effect(Engine(says)) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'{"cut":%b}' % CUTS, PipelineEffect.PAGE),
        (b'{"cut":%b}' % FILTERS, PipelineEffect.NONE),
        (None, PipelineEffect.PAGE),
        (b"{}", PipelineEffect.PAGE),
        (b"[]", PipelineEffect.PAGE),
        (b"no json", PipelineEffect.PAGE),
    ],
)
async def test_a_named_pipeline_depends_on_the_page_unless_its_definition_says_otherwise(
    answer: bytes | None, expected: PipelineEffect
) -> None:
    says = {} if answer is None else {"/_search/pipeline/cut": answer}
    for asked in ({"search_pipeline": "cut"}, None):
        engine = Engine(says)
        assert await effect(engine, asked, **({} if asked else {"search_pipeline": "cut"})) is expected
        assert engine.seen == ["/_search/pipeline/cut"]


async def test_an_inline_pipeline_or_none_needs_no_request() -> None:
    engine = Engine({})
    inline = {"response_processors": [{"collapse": {}}]}
    assert await effect(engine, {"search_pipeline": inline}) is PipelineEffect.PAGE
    assert await effect(engine, search_pipeline="_none") is PipelineEffect.NONE
    assert engine.seen == []


async def test_the_indices_of_a_point_in_time_are_named() -> None:
    engine = Engine({})
    await SearchPipelines().effect(
        a_search({"pit": {"id": "x"}}, {"ignore_unavailable": "true"}, target=""),
        INFO,
        Caller("me", engine.ask),
        has_defaults=True,
    )
    assert engine.seen == [
        "/docs-1%2Cdocs-2/_settings/index.search.default_pipeline?flat_settings=true&ignore_unavailable=true"
    ]


async def test_results_are_kept_for_a_minute_for_each_caller() -> None:
    now = 0.0
    engine = Engine({})
    pipelines = SearchPipelines(lambda: now)
    for at, identities in ((0.0, "aab"), (59.0, "ab"), (61.0, "aa")):
        now = at
        for one in identities:
            await pipelines.effect(a_search(), INFO, Caller(one, engine.ask), has_defaults=True)
    assert len(engine.seen) == 3
    assert repr(pipelines) == "SearchPipelines(entries=2)"
    await pipelines.effect(a_search(), INFO, Caller("c", engine.ask), has_defaults=False)
    assert len(engine.seen) == 3


def test_a_caller_is_identified_by_headers_that_the_engine_may_read() -> None:
    headers = CIMultiDict({"Authorization": "x", "User-Agent": "y", "X-Rerank-Mode": "shadow"})
    assert identity(headers) == (("authorization", "x"),)


VERSION = ("X-OpenSearch-Version", "OpenSearch/3.6.0 (opensearch)")


async def test_a_search_whose_index_has_a_pipeline_that_cuts_the_hits_is_left_to_the_engine() -> None:
    caps = FakeResponse(b'{"indices":["docs"],"fields":{"body":{"text":{}}}}', headers=[VERSION])
    says = {
        "/docs/_field_caps": caps,
        "/docs/_settings": FakeResponse(SETTINGS % b"cut"),
        "/_search/pipeline/cut": FakeResponse(b'{"cut":%b}' % CUTS),
    }
    async with running(says) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", HOSE)
        again = await proxy.send("POST", "/docs/_search", HOSE)
    assert got.headers["X-Rerank"] == again.headers["X-Rerank"] == "skipped; why=search_pipeline"
    assert engine.targets()[2:] == ["/docs/_search"] * 2


async def test_a_response_with_fewer_hits_than_match_is_not_used() -> None:
    cut = FakeResponse(search_response(*HITS[:2]).replace(b'"value": 2', b'"value": 40'))
    async with running({"/docs/_search": cut}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", HOSE)
    assert (got.headers["X-Rerank"], engine.targets()) == (
        "skipped; why=search_pipeline",
        ["/docs/_search?from=0&size=50", "/docs/_search"],
    )
