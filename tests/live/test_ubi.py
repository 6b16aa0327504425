"""Searches with `ext.ubi`: the plugin records each search once, with the ids that the client gets, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine

from .books import DOCUMENTS, INDEX, MAPPINGS
from .conftest import Serve
from .endpoint import Endpoint
from .recorder import recording
from .ubi_plugin import UbiPlugin, recorded
from .wire import NDJSON, Answer, fill

pytestmark = pytest.mark.usefixtures("no_index_left")

RIVER = {"multi_match": {"query": "river mill", "fields": ["title", "body"]}}
NUMBERS = count()
SEARCHES: list[dict[str, Any]] = [
    {},
    {"size": 3},
    {"size": 3, "from": 3},
    {"size": 4, "from": 6},
    {"size": 3, "from": 20},
    {"_source": False},
    {"_source": ["year"], "highlight": {"fields": {"body": {}}}},
    {"size": 5, "aggs": {"tags": {"terms": {"field": "tag"}}}, "track_total_hits": True},
    {"post_filter": {"term": {"tag": "mill"}}},
    {"query": {"match": {"body": "zebra"}}},
    {"query": {"bool": {"must": [RIVER], "should": [{"term": {"tag": {"value": "mill", "_name": "mill"}}}]}}},
    {"min_score": 0.1, "indices_boost": [{INDEX: 2.0}]},
    {"sort": ["_score", {"year": "asc"}], "size": 4},
    {"collapse": {"field": "tag"}},
    {"explain": True, "size": 3},
]


@pytest.fixture(scope="module")
def plugin(engine: Engine) -> Iterator[UbiPlugin]:
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    with recorded(engine.url) as found:
        yield found


@pytest.fixture(scope="module")
def endpoint(plugin: UbiPlugin, serve: Serve) -> Iterator[Endpoint]:
    """An endpoint whose model prefers texts by a checksum, so that the order is not the engine's."""
    with recording(lambda text: sum(text.encode()) % 89 / 100 + 0.05) as reranker:
        yield serve(plugin.url, *reranker.flags, "--window", "8", "--policy", "replace")


def searched(endpoint: Endpoint, **body: Any) -> tuple[str, Answer]:
    """Search with `ext.ubi`; return the id of the search and the response."""
    key = f"q{next(NUMBERS)}"
    return key, endpoint.search(INDEX, {"query": RIVER, **body, "ext": {"ubi": {"query_id": key}}})


@pytest.mark.parametrize("body", SEARCHES, ids=json.dumps)
def test_each_search_is_recorded_once_as_shown(endpoint: Endpoint, plugin: UbiPlugin, body: dict[str, Any]) -> None:
    key, answer = searched(endpoint, **body)
    assert answer.status == 200, answer
    assert plugin.records[key] == [answer.ids]
    assert answer.json["ext"] == {"ubi": {"query_id": key}}


@pytest.mark.parametrize("body", SEARCHES[:9] + SEARCHES[10:12], ids=json.dumps)
def test_the_response_is_that_of_the_search_without_ubi(endpoint: Endpoint, body: dict[str, Any]) -> None:
    without = endpoint.search(INDEX, {"query": RIVER, **body})
    with_ubi = searched(endpoint, **body)[1]
    expected, found = without.json, with_ubi.json
    assert with_ubi.outcome.split("; cached")[0] == without.outcome.split("; cached")[0]
    assert found.pop("ext")
    for response in (expected, found):
        response.pop("took")
    assert found == expected


def test_the_order_is_not_the_engines(endpoint: Endpoint, engine: Engine) -> None:
    answer = searched(endpoint, size=6)[1]
    assert answer.outcome.startswith("reranked; window=8"), answer.outcome
    assert answer.ids != Endpoint(engine.url, "", engine.process).search(INDEX, {"query": RIVER, "size": 6}).ids


@pytest.mark.parametrize("body", SEARCHES[-3:], ids=json.dumps)
def test_a_search_that_cannot_be_recorded_as_shown_names_the_reason(endpoint: Endpoint, body: dict[str, Any]) -> None:
    assert searched(endpoint, **body)[1].outcome == "skipped; why=ubi"


def test_the_searches_of_one_request_are_recorded_once_each(endpoint: Endpoint, plugin: UbiPlugin) -> None:
    keys = [f"m{next(NUMBERS)}" for _ in range(3)]
    bodies = [{"query": RIVER, "size": 4}, {"query": RIVER, "explain": True}, {"query": {"match": {"body": "zebra"}}}]
    searches = [{**body, "ext": {"ubi": {"query_id": key}}} for key, body in zip(keys, bodies, strict=True)]
    text = "".join(f"{{}}\n{json.dumps(one)}\n" for one in searches).encode()
    answer = endpoint.ask("POST", f"/{INDEX}/_msearch", text, NDJSON)
    shown = [[hit["_id"] for hit in response["hits"]["hits"]] for response in answer.json["responses"]]
    assert [plugin.records[key] for key in keys] == [[one] for one in shown]
    assert "reranked" in answer.outcome


# The minimal distribution of Elasticsearch has no templates.
@pytest.mark.parametrize("engine", ["opensearch"], indirect=True)
def test_a_template_is_recorded_once(endpoint: Endpoint, plugin: UbiPlugin) -> None:
    source = {"query": {"match": {"body": "{{text}}"}}, "size": 4, "ext": {"ubi": {"query_id": "t1"}}}
    body = {"source": json.dumps(source), "params": {"text": "river mill"}}
    answer = endpoint.ask("POST", f"/{INDEX}/_search/template", body)
    assert answer.outcome.startswith("reranked"), answer
    assert plugin.records["t1"] == [answer.ids]


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_search_that_is_not_reranked_is_recorded_once(endpoint: Endpoint, plugin: UbiPlugin, mode: str) -> None:
    key = f"s{next(NUMBERS)}"
    body = {"query": RIVER, "from": 9, "size": 3, "ext": {"ubi": {"query_id": key}}}
    answer = endpoint.ask("POST", f"/{INDEX}/_search", body, {"X-Rerank-Mode": mode})
    # A later search ends after the measurement of this one has been sent.
    searched(endpoint)
    assert plugin.records[key] == [answer.ids]
