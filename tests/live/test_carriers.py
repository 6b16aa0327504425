"""Endpoints other than `_search`, on real engines: `_msearch`, templates, `_rank_eval` and others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from es_rerank_lab.parts.engines import Engine

from .books import DOCUMENTS, INDEX, MAPPINGS
from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .requests import NESTED, RIVER, TITLE
from .wire import NDJSON, Answer, ask, fill

ALONE = ("--window", "5", "--policy", "keep")
MARKED = {"query": RIVER, "size": 2, "highlight": {"fields": {"body": {}}}}
BESIDE = {"query": RIVER, "_source": ["title"], "size": 3}


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Engine:
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    return engine


@pytest.fixture
def both(filled: Engine, serve: Serve) -> tuple[str, Endpoint]:
    """The engine's URL, and an endpoint that keeps order and scores."""
    return filled.url, serve(filled.url, *IDENTITY, *ALONE)


@pytest.fixture(scope="module")
def templated(opensearch: Engine, serve: Serve) -> Iterator[tuple[str, Endpoint]]:
    """OpenSearch, which supports templates and ranking evaluation, with a stored template."""
    fill(opensearch.url, INDEX, MAPPINGS, DOCUMENTS)
    script = {"script": {"lang": "mustache", "source": {"query": {"match": {"body": "{{words}}"}}, "size": "{{n}}"}}}
    assert ask(opensearch.url, "PUT", "/_scripts/by-words", script).status == 200
    yield opensearch.url, serve(opensearch.url, *IDENTITY, *ALONE)
    ask(opensearch.url, "DELETE", "/_scripts/by-words")


def lines(*pairs: tuple[Any, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for pair in pairs for one in pair)


def took(body: bytes) -> bytes:
    return re.sub(rb'("took"? ?: ?)\d+', rb"\g<1>0", body)


def head(answer: Answer) -> list[tuple[str, str]]:
    # An engine sends each deprecation warning once, so the second response has fewer.
    left_out = {"content-length", "x-rerank", "server-timing", "transfer-encoding", "warning"}
    return [(name.lower(), value) for name, value in answer.headers if name.lower() not in left_out]


def same(both: tuple[str, Endpoint], target: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Send to the engine and through the endpoint, and check that the responses differ in `took` only."""
    direct, through = (ask(base, "POST", target, body, headers) for base in (both[0], both[1].url))
    assert took(through.body) == took(direct.body)
    assert (through.status, head(through)) == (direct.status, head(direct))
    return through


MANY = [
    ("one", [({}, {"query": RIVER})], "reranked"),
    ("pages", [({}, {"query": RIVER, "from": at, "size": 3}) for at in (0, 3, 6, 9)], "reranked"),
    ("mixed", [({}, {"query": RIVER}), ({}, {"size": 0, "aggs": {"t": {"terms": {"field": "tag"}}}})], "reranked"),
    ("left alone", [({}, {"query": {"match_all": {}}}), ({}, {"query": RIVER, "sort": "year"})], "skipped"),
    ("a missing index", [({"index": "absent"}, {"query": RIVER}), ({"index": INDEX}, {"query": RIVER})], "skipped"),
    ("a refused page", [({}, {"query": RIVER, "size": 20_000}), ({}, {"query": RIVER})], "skipped"),
    ("a refused query", [({}, {"query": {"match": {"year": "x"}}}), ({}, {"query": TITLE})], "skipped"),
    ("several indices", [({"index": [INDEX, INDEX]}, {"query": RIVER}), ({"index": f"{INDEX},x"}, {})], "reranked"),
    (
        "options",
        [({"index": "absent*", "allow_no_indices": True}, {"query": RIVER}), ({}, {"query": TITLE})],
        "skipped",
    ),
    ("highlights", [({}, MARKED), ({}, {"query": RIVER})], "reranked"),
    ("nested", [({}, {"query": NESTED}), ({}, {"query": RIVER, "collapse": {"field": "tag"}})], "reranked"),
    ("an alias of the header", [({"search_type": "dfs_query_then_fetch"}, {"query": RIVER})], "reranked"),
]


@pytest.mark.parametrize("parameters", ["", "?pretty", "?rest_total_hits_as_int=true&typed_keys=true"])
@pytest.mark.parametrize(("name", "pairs", "outcome"), MANY, ids=[name for name, _, _ in MANY])
def test_multi_search(name: str, pairs: Any, outcome: str, parameters: str, both: tuple[str, Endpoint]) -> None:
    through = same(both, f"/{INDEX}/_msearch{parameters}", lines(*pairs), NDJSON)
    assert through.outcome.startswith(outcome), name
    assert len(through.outcome.split(", ")) == len(pairs)


@pytest.mark.parametrize(
    "body",
    [
        b'{"index":"books"}\n{"query":{"match":{"body":"river"}}}',
        b'{"index":"books"}\n',
        b'{"index":"books"}\n{"query":\n',
        b'{"indexx":"books"}\n{}\n',
        b"",
        b"\n\n",
        b'\n{"query":{"match":{"body":"river"}}}\n',
        b'{"index":"books"}\r\n{"query":{"match":{"body":"river"}}}\r\n',
        b'{"index":"books"}\n{"query":{"match":{"body":"river"}}}\n{}\n{"query":{"matsch":{}}}\n',
        b'{"index":"books"}\n{"query":{"match":{"body":"river"}},"n":1}\n',
    ],
)
def test_malformed_lines_get_the_engines_own_response(body: bytes, both: tuple[str, Endpoint]) -> None:
    same(both, f"/{INDEX}/_msearch", body, NDJSON)


def test_index_options_of_the_url_apply_to_each_search(both: tuple[str, Endpoint]) -> None:
    body = lines(({}, {"query": RIVER}), ({"index": INDEX}, {"query": RIVER}))
    through = same(both, f"/absent,{INDEX}/_msearch?ignore_unavailable=true", body, NDJSON)
    assert re.findall(r"reranked|why=\w+", through.outcome) == ["reranked", "reranked"]


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
def test_the_path_decides_that_a_body_is_ndjson(media_type: str, both: tuple[str, Endpoint]) -> None:
    through = same(both, "/_msearch", lines(({"index": INDEX}, {"query": RIVER})), {"Content-Type": media_type})
    assert through.outcome.startswith("reranked; window=5")


@pytest.mark.parametrize(
    "path",
    ["responses.hits.hits._id", "-responses._shards,-took", "responses.hits.hits._id&pretty", "-responses.status"],
)
def test_filter_path_is_applied_to_the_whole_multi_search_response(path: str, both: tuple[str, Endpoint]) -> None:
    """The engines serialize a source again when they apply `filter_path`."""
    target = f"/{INDEX}/_msearch?filter_path={path}"
    body = lines(({}, {"query": RIVER}), ({}, {"query": TITLE, "_source": False}))
    direct, through = (ask(base, "POST", target, body, NDJSON) for base in (both[0], both[1].url))
    assert json.loads(took(through.body)) == json.loads(took(direct.body))


def test_fields_that_only_the_model_reads_are_removed_from_each_response(both: tuple[str, Endpoint]) -> None:
    body = lines(({}, BESIDE), ({}, {"query": RIVER, "_source": False, "size": 2}))
    direct, through = (ask(base, "POST", f"/{INDEX}/_msearch", body, NDJSON) for base in (both[0], both[1].url))
    assert json.loads(took(through.body)) == json.loads(took(direct.body))


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"id": "by-words", "params": {"words": "river mill", "n": 3}}, "reranked"),
        ({"source": {"query": {"match": {"body": "{{q}}"}}}, "params": {"q": "river"}}, "reranked"),
        ({"source": '{"query":{"match":{"body":"{{q}}"}},"from":2}', "params": {"q": "river"}}, "reranked"),
        ({"source": '{"query":{"match_all":{}}}', "params": {}}, "skipped"),
        ({"id": "absent", "params": {}}, "skipped"),
        ({"source": "{", "params": {}}, "skipped"),
        ({"nothing": 1}, "skipped"),
    ],
)
def test_search_templates(body: Any, outcome: str, templated: tuple[str, Endpoint]) -> None:
    through = same(templated, f"/{INDEX}/_search/template", body)
    assert through.outcome.startswith(outcome)


def test_a_template_with_explain_and_typed_keys(templated: tuple[str, Endpoint]) -> None:
    body = {"id": "by-words", "params": {"words": "river", "n": 2}, "explain": True}
    direct, through = (
        ask(base, "POST", f"/{INDEX}/_search/template?typed_keys=true", body)
        for base in (
            templated[0],
            templated[1].url,
        )
    )
    assert through.ids == direct.ids
    assert [hit["_explanation"] for hit in through.hits] == [hit["_explanation"] for hit in direct.hits]


def test_multi_search_templates(templated: tuple[str, Endpoint]) -> None:
    body = lines(
        ({"index": INDEX}, {"id": "by-words", "params": {"words": "river", "n": 3}}),
        ({"index": INDEX}, {"id": "absent", "params": {}}),
        ({"index": INDEX}, {"source": '{"query":{"match":{"title":"{{q}}"}}}', "params": {"q": 'ri"ver'}}),
        ({"index": INDEX}, {"source": '{"size":0}', "params": {}}),
    )
    through = same(templated, "/_msearch/template", body, NDJSON)
    assert re.findall(r"reranked|why=\w+", through.outcome) == [
        "reranked",
        "why=unreadable",
        "why=few_hits",
        "why=size_zero",
    ]


def pit(base: str, name: str) -> str:
    """Open a point in time with the API of the engine."""
    path = "_search/point_in_time" if name == "opensearch" else "_pit"
    opened = ask(base, "POST", f"/{INDEX}/{path}?keep_alive=1m").json
    return str(opened.get("pit_id") or opened["id"])


@pytest.mark.parametrize("name", ["opensearch", "elasticsearch"])
@pytest.mark.parametrize(("body", "outcome"), [({}, "reranked; window=5"), ({"sort": ["_score"]}, "skipped")])
def test_a_point_in_time(
    name: str, body: dict[str, Any], outcome: str, serve: Serve, request: pytest.FixtureRequest
) -> None:
    engine: Engine = request.getfixturevalue(name)
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    both = engine.url, serve(engine.url, *IDENTITY, *ALONE)
    at = {"pit": {"id": pit(engine.url, name), "keep_alive": "1m"}}
    through = same(both, "/_search", {**at, "query": RIVER, "size": 3, **body})
    assert through.outcome.startswith(outcome)


RATED = [{"_index": INDEX, "_id": key, "rating": at % 3} for at, key in enumerate(DOCUMENTS)]


@pytest.mark.parametrize(
    "metric",
    [
        {"precision": {"k": 3, "relevant_rating_threshold": 1}},
        {"dcg": {"k": 5, "normalize": True}},
        {"mean_reciprocal_rank": {}},
        {"recall": {"k": 4}},
        {"expected_reciprocal_rank": {"maximum_relevance": 3, "k": 8}},
    ],
    ids=lambda metric: str(next(iter(metric))),
)
def test_a_ranking_evaluation_rates_the_reranked_order(metric: Any, templated: tuple[str, Endpoint]) -> None:
    """With a model that keeps the engine's order, the metrics are the engine's own."""
    template = {"id": "t", "template": {"source": {"query": {"match": {"title": "{{q}}"}}}}}
    requests = [
        {"id": "one", "request": {"query": RIVER}, "ratings": RATED},
        {"id": "two", "request": {"query": {"match_all": {}}}, "ratings": RATED},
        {"id": "three", "template_id": "t", "params": {"q": "river"}, "ratings": RATED},
    ]
    body = {"requests": requests, "metric": metric, "templates": [template]}
    direct, through = (ask(base, "POST", f"/{INDEX}/_rank_eval", body) for base in (templated[0], templated[1].url))
    assert (through.status, through.json["failures"]) == (200, {})
    assert through.json["metric_score"] == direct.json["metric_score"]
    for name, detail in direct.json["details"].items():
        order = [hit["hit"]["_id"] for hit in through.json["details"][name]["hits"]]
        assert order == [hit["hit"]["_id"] for hit in detail["hits"]]
        assert through.json["details"][name]["unrated_docs"] == detail["unrated_docs"]
    assert [one.partition(";")[0] for one in through.outcome.split(", ")] == ["reranked", "skipped", "reranked"]


def test_an_invalid_ranking_evaluation_is_passed_through(templated: tuple[str, Endpoint]) -> None:
    same(templated, f"/{INDEX}/_rank_eval", {"requests": []})


@pytest.mark.parametrize("name", ["opensearch", "elasticsearch"])
def test_an_asynchronous_search_is_passed_through_to_an_engine_without_support(
    name: str, serve: Serve, request: pytest.FixtureRequest
) -> None:
    engine: Engine = request.getfixturevalue(name)
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    both = engine.url, serve(engine.url, *IDENTITY, *ALONE)
    same(both, f"/{INDEX}/_async_search", {"query": RIVER})
    same(both, f"/_plugins/_asynchronous_search?index={quote(INDEX)}", {"query": RIVER})


RERANKER = {
    "field": "body",
    "inference_id": "mine",
    "inference_text": "Where does the river run?",
    "rank_window_size": 4,
}


@pytest.mark.parametrize(
    ("standard", "direct"),
    [
        ({"query": RIVER}, {"query": RIVER}),
        (
            {"query": RIVER, "filter": {"term": {"tag": "mill"}}},
            {"query": {"bool": {"must": RIVER, "filter": {"term": {"tag": "mill"}}}}},
        ),
        ({"query": RIVER, "min_score": 0.3}, {"query": RIVER, "min_score": 0.3}),
    ],
)
def test_a_text_similarity_reranker_works_on_both_engines(
    standard: Any, direct: Any, both: tuple[str, Endpoint]
) -> None:
    body = {"retriever": {"text_similarity_reranker": {"retriever": {"standard": standard}, **RERANKER}}, "size": 3}
    through = both[1].ask("POST", f"/{INDEX}/_search", body)
    expected = ask(both[0], "POST", f"/{INDEX}/_search", {**direct, "size": 3})
    assert (through.status, through.ids) == (200, expected.ids)
    assert through.outcome.startswith(f"reranked; window={min(4, expected.json['hits']['total']['value'])}")


def test_the_rerank_query_context_is_used_and_removed(both: tuple[str, Endpoint]) -> None:
    context = {"rerank": {"query_context": {"query_text_path": "query.match.body"}}}
    through = both[1].ask("POST", f"/{INDEX}/_search", {"query": RIVER, "ext": context})
    assert through.ids == ask(both[0], "POST", f"/{INDEX}/_search", {"query": RIVER}).ids
    assert through.outcome.startswith("reranked; window=5")
