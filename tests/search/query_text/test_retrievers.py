"""What the table's rows say stands in tests/cases/query.yaml, which tests/search/query_text/test_extract.py runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.retrievers import RETRIEVERS, rank_window_size, read_retriever
from es_rerank.search.query_text.terms import Context
from tests.search.strategies import BODIES, QUERIES

STANDARD = {"standard": {"query": {"match": {"body": "hose"}}}}


@pytest.mark.parametrize(
    ("retriever", "most"),
    [
        (STANDARD, None),
        ({"knn": {"field": "v", "k": 5}}, None),
        ({"rrf": {"retrievers": [STANDARD, STANDARD]}}, 10),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": 80}}, 80),
        ({"rrf": {"query": "hose", "fields": ["title"]}}, 10),
        ({"linear": {"retrievers": [{"retriever": STANDARD}], "rank_window_size": "30"}}, 30),
        ({"linear": {"query": "hose"}}, 10),
        ({"pinned": {"ids": ["1"], "retriever": STANDARD}}, 10),
        ({"rule": {"retriever": STANDARD, "rank_window_size": 5}}, 5),
        ({"text_similarity_reranker": {"retriever": STANDARD, "rank_window_size": 100}}, 100),
        ({"random_reranker": {"retriever": STANDARD}}, 10),
        ({"diversify": {"retriever": STANDARD, "size": 3, "rank_window_size": 40}}, 40),
        ({"rescorer": {"rescore": {"window_size": 50}, "retriever": STANDARD}}, 50),
        ({"rescorer": {"rescore": [{"window_size": 50}, {"window_size": 20}, {}], "retriever": STANDARD}}, 10),
        ({"rescorer": {"retriever": STANDARD}}, 10),
        ({"some_retriever": {"retriever": STANDARD}}, 10),
        ({"some_retriever": {"retrievers": [STANDARD], "rank_window_size": 7}}, 7),
        ({"some_retriever": {"field": "v"}}, None),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": "many"}}, 10),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": -1}}, 10),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": [5]}}, 10),
        ({"rrf": None}, None),
        ({}, None),
        ("rrf", None),
        (None, None),
    ],
)
def test_candidates_of_retrievers(retriever: Any, most: int | None) -> None:
    assert rank_window_size({"retriever": retriever}) == most


@pytest.mark.parametrize(
    ("rank", "most"),
    [
        ({"rrf": {"rank_window_size": 60}}, 60),
        ({"rrf": {"window_size": 20, "rank_constant": 1}}, 20),
        ({"rrf": {}}, 10),
        ({"rrf": None}, 10),
        ({}, None),
        (None, None),
        (5, None),
    ],
)
def test_candidates_of_rank(rank: Any, most: int | None) -> None:
    assert rank_window_size({"rank": rank}) == most


def test_a_plain_search_sets_no_limit() -> None:
    assert rank_window_size({"query": {"match": {"body": "hose"}}, "size": 5}) is None


@given(BODIES)
def test_no_body_is_an_error(body: dict[str, Any]) -> None:
    assert rank_window_size(body) is None or rank_window_size(body) > 0


@given(st.sampled_from(sorted(RETRIEVERS)), QUERIES)
def test_no_retriever_is_an_error(kind: str, value: Any) -> None:
    assert all(isinstance(one.text, str) for one in read_retriever({kind: value}, Context({"body": "text"})))
