from __future__ import annotations

from typing import Any

import pytest

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.tuning.hits import EngineSource
from es_rerank.evaluation.values import FoundHit
from es_rerank.model import Search
from es_rerank.testing import FakeResponse, search_response

from .fakes import HOSE, TEMPLATE, both


def decoded(source: EngineSource) -> Search:
    search = source.planned(TEMPLATE.search(HOSE, 10))
    assert isinstance(search, Search)
    return search


async def test_hits_have_their_whole_source_whatever_the_template_filters() -> None:
    async with both(upstream_api_key="own") as (settings, engine, _), EngineSource(settings, "docs", {}) as source:
        hits = await source.hits(TEMPLATE.search(HOSE, 10), 30)
        info = await source.info(decoded(source))
    assert hits.shown == (FoundHit("hose-words", "hose"), FoundHit("hose-answer", "A"))
    assert hits.scores == (2.0, 1.0)
    sent = engine.seen[0]
    assert sent.json == {"query": {"match": {"body": "hose"}}, "_source": True, "from": 0, "size": 30}
    assert (sent.method, sent.target, sent.headers["Authorization"]) == ("POST", "/docs/_search", "ApiKey own")
    assert info.names == ("docs",)


async def test_the_headers_of_the_caller_replace_the_credentials_of_the_settings() -> None:
    headers = {"Authorization": "ApiKey theirs"}
    async with both(upstream_api_key="own") as (settings, engine, _), EngineSource(settings, "docs", headers) as source:
        await source.hits(TEMPLATE.search(HOSE, 10), 30)
    assert engine.seen[0].headers["Authorization"] == "ApiKey theirs"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (FakeResponse(b'{"error":{"root_cause":[{"reason":"no such index"}]}}', status=404), "404: no such index"),
        (FakeResponse(b"<html>", status=502), "status 502: <html>"),
        (FakeResponse(b"[]"), "is not a search response"),
        (FakeResponse(b'{"hits":{"hits":[{"_index":"docs","_id":"1","_score":null}]}}'), "hits without a score"),
        (FakeResponse(b'{"hits"', cut_off=True), "no response"),
        (FakeResponse(search_response(("1", 1.0, "x" * 2000))), "larger than max_answer"),
    ],
)
async def test_a_search_that_fails_says_why(answer: Any, message: str) -> None:
    async with both(answer, max_answer=1500) as (settings, _, _), EngineSource(settings, "docs", {}) as source:
        with pytest.raises(EsRerankError, match=message):
            await source.hits(TEMPLATE.search(HOSE, 10), 30)


async def test_an_index_that_the_engine_does_not_know_is_named() -> None:
    async with both() as (settings, engine, _), EngineSource(settings, "docs", {}) as source:
        engine.says = {"": FakeResponse(b"{}", status=404)}
        with pytest.raises(EsRerankError, match="docs: the engine does not return the fields of this index"):
            await source.info(decoded(source))
