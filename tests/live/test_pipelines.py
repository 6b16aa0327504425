"""Search pipelines of OpenSearch: hits, totals and aggregations are those of the engine, whatever a processor does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .test_carriers import took
from .test_same_hits import HOSE, KEEP, WINDOW, load, outcome
from .wire import NDJSON, ask

pytestmark = pytest.mark.usefixtures("no_index_left")

INDEX = "piped"
ROWS = 60
SCRIPT = "if (ctx._source['size'] > 5) { ctx._source['size'] = 5 }"
PIPELINES: dict[str, dict[str, Any]] = {
    "truncates": {"response_processors": [{"truncate_hits": {"target_size": 3}}]},
    "oversamples": {
        "request_processors": [{"oversample": {"sample_factor": 2}}],
        "response_processors": [{"truncate_hits": {}}],
    },
    "oversamples_only": {"request_processors": [{"oversample": {"sample_factor": 2}}]},
    "collapses": {"response_processors": [{"collapse": {"field": "n"}}]},
    "renames": {"response_processors": [{"rename_field": {"field": "n", "target_field": "number"}}]},
    "splits": {"response_processors": [{"split": {"field": "tags", "separator": ","}}]},
    "sorts": {
        "response_processors": [
            {"split": {"field": "tags", "separator": ","}},
            {"sort": {"field": "tags", "order": "asc"}},
        ]
    },
    "scripts": {"request_processors": [{"script": {"lang": "painless", "source": SCRIPT}}]},
    "filters": {"request_processors": [{"filter_query": {"query": {"range": {"n": {"gte": 2}}}}}]},
}
PAGES = ((0, 10), (3, 3), (0, 40))
MORE: dict[str, dict[str, Any]] = {
    "plain": {},
    "filtered": {"_source": ["tags", "n"], "aggs": {"by_n": {"terms": {"field": "n"}}}},
    "fields": {"_source": False, "fields": ["n"]},
    "marked": {"highlight": {"fields": {"title": {}}}},
}


@pytest.fixture(scope="module")
def piped(opensearch: Engine) -> Engine:
    """An index without a default pipeline, and one for each pipeline, with the same documents."""
    lines: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"_id": str(n)}, {"title": "hose " + "long " * n, "n": n % 7, "tags": "b,a"}) for n in range(ROWS)
    ]
    load(opensearch.url, INDEX, {"number_of_shards": 2}, lines, tags={"type": "keyword"})
    for name, definition in PIPELINES.items():
        made = ask(opensearch.url, "PUT", f"/_search/pipeline/{name}", definition)
        assert made.status == 200, made
        load(
            opensearch.url, f"{INDEX}-{name}", {"index.search.default_pipeline": name}, lines, tags={"type": "keyword"}
        )
    return opensearch


@pytest.fixture
def both(piped: Engine, serve: Serve) -> tuple[str, Endpoint]:
    return piped.url, serve(piped.url, *IDENTITY, *WINDOW, *KEEP)


def bodies() -> list[dict[str, Any]]:
    return [{"query": HOSE, "from": start, "size": size, **more} for start, size in PAGES for more in MORE.values()]


@pytest.mark.parametrize("how", ["url", "body", "inline"])
@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_that_a_search_names(name: str, how: str, both: tuple[str, Endpoint]) -> None:
    named = {"url": {}, "body": {"search_pipeline": name}, "inline": {"search_pipeline": PIPELINES[name]}}[how]
    target = f"/{INDEX}/_search" + (f"?search_pipeline={name}" if how == "url" else "")
    states = set()
    for body in bodies():
        direct, through = (ask(base, "POST", target, {**body, **named}) for base in (both[0], both[1].url))
        assert outcome(through) == outcome(direct), body
        states.add(through.outcome.partition(";")[0])
        if how != "url":
            text = f"{{}}\n{json.dumps({**body, **named})}\n".encode()
            many = [ask(base, "POST", f"/{INDEX}/_msearch", text, NDJSON) for base in (both[0], both[1].url)]
            assert took(many[0].body) == took(many[1].body)
    assert ("reranked" in states) == (name in {"renames", "splits", "sorts", "filters"})


@pytest.mark.parametrize("name", PIPELINES)
def test_the_default_pipeline_of_an_index(name: str, both: tuple[str, Endpoint]) -> None:
    index = f"{INDEX}-{name}"
    for body in bodies():
        for target in (f"/{index}/_search", f"/{index},{INDEX}/_search", f"/{index}/_search?search_pipeline=_none"):
            direct, through = (ask(base, "POST", target, body) for base in (both[0], both[1].url))
            assert outcome(through) == outcome(direct), (target, body)
        template = {"source": body}
        direct, through = (ask(base, "POST", f"/{index}/_search/template", template) for base in (both[0], both[1].url))
        assert outcome(through) == outcome(direct), body
