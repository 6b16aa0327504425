from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from es_rerank.search.size_dependence import depends_on_size
from tests.search.builders import a_search

HOSE = {"match": {"title": "hose"}}
KNN: dict[str, Any] = {"field": "v", "query_vector": [1, 2], "num_candidates": 40}
WITH_K = {**KNN, "k": 5}
DEPENDENT: dict[str, dict[str, Any]] = {
    "a query": {"query": {"knn": KNN}},
    "among others": {"query": {"bool": {"should": [HOSE, {"knn": KNN}]}}},
    "a filter": {"query": {"bool": {"must": [HOSE], "filter": [{"knn": KNN}]}}},
    "a post filter": {"query": HOSE, "post_filter": {"knn": KNN}},
    "an aggregation": {"query": HOSE, "aggs": {"near": {"filter": {"knn": KNN}}}},
    "a rescorer": {"query": HOSE, "rescore": {"query": {"rescore_query": {"knn": KNN}}}},
    "a function": {"query": {"function_score": {"query": HOSE, "functions": [{"filter": {"knn": KNN}}]}}},
    "a member of the body": {"query": HOSE, "knn": KNN},
    "one of several": {"query": HOSE, "knn": [WITH_K, KNN]},
    "in a retriever": {"retriever": {"standard": {"query": {"knn": KNN}}}},
    "encoded": {"query": {"wrapper": {"query": b64encode(json.dumps({"knn": KNN}).encode()).decode()}}},
    "semantic": {"query": {"semantic": {"field": "text", "query": "hose"}}},
    "a plugin": {"query": HOSE, "ext": {"ubi": {"query_id": "1"}, "mmr": {}}},
}
INDEPENDENT: dict[str, dict[str, Any]] = {
    "full text": {"query": HOSE},
    "its own k": {"query": {"bool": {"should": [{"knn": WITH_K}]}}, "knn": [WITH_K]},
    "of OpenSearch": {"query": {"knn": {"field": {"vector": [1], "k": 5}}}},
    "a field": {"query": {"match": {"knn": "semantic"}}, "fields": ["knn"]},
    "a field that is an object": {"query": {"match": {"semantic": {"operator": "and"}}}},
    "a broken wrapper": {"query": {"wrapper": {"query": "%"}}},
    "an empty extension": {"query": HOSE, "ext": {}},
}


@pytest.mark.parametrize("body", DEPENDENT.values(), ids=DEPENDENT)
def test_clauses_that_take_their_recall_from_size_are_found_anywhere(body: dict[str, Any]) -> None:
    assert depends_on_size(a_search(body).body)


def test_names_may_be_written_with_escape_sequences() -> None:
    assert depends_on_size(a_search(b'{"query":{"\\u006bnn":{"field":"v","query_vector":[1]}}}').body)


@pytest.mark.parametrize("body", INDEPENDENT.values(), ids=INDEPENDENT)
def test_other_searches_do_not_depend_on_size(body: dict[str, Any]) -> None:
    assert not depends_on_size(a_search(body).body)


def test_a_field_named_semantic_that_is_matched_with_options_is_taken_for_the_clause() -> None:
    assert depends_on_size(a_search({"query": {"match": {"semantic": {"query": "hose"}}}}).body)
