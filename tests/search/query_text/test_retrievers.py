"""The rows of the table have their cases in tests/cases/query.yaml, which test_extract.py runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.retrievers import RETRIEVERS, rank_window_size, read_retriever
from es_rerank.search.query_text.terms import Context
from tests.search.strategies import (
    COMPOUND_RETRIEVERS,
    JSON,
    MISPLACED,
    VALID_RETRIEVERS,
    damaged,
    reaching,
)

STANDARD = {"standard": {"query": {"match": {"body": "hose"}}}}


@pytest.mark.parametrize(
    ("retriever", "limit"),
    [
        (STANDARD, None),
        ({"knn": {"field": "v", "k": 5}}, None),
        ({"rrf": {"retrievers": [STANDARD, STANDARD]}}, 10),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": 80}}, 80),
        ({"rrf": {"query": "hose", "fields": ["title"]}}, 10),
        ({"linear": {"retrievers": [{"retriever": STANDARD}], "rank_window_size": "30"}}, 30),
        ({"linear": {"query": "hose"}}, 10),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": 1}}, 1),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": 0}}, 10),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": 0, "window_size": 7}}, 7),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": 1e999}}, 10),
        ({"rrf": {"retrievers": [STANDARD], "rank_window_size": "0"}}, 10),
        ({"some_retriever": {"rank_window_size": 7}}, 7),
        ({"standard": {"rank_window_size": 7}}, None),
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
def test_the_rank_window_of_a_retriever(retriever: Any, limit: int | None) -> None:
    assert rank_window_size({"retriever": retriever}) == limit


@pytest.mark.parametrize(
    ("rank", "limit"),
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
def test_the_rank_window_of_rank(rank: Any, limit: int | None) -> None:
    assert rank_window_size({"rank": rank}) == limit


def test_the_smaller_window_of_rank_and_retriever_counts() -> None:
    rrf = {"rrf": {"rank_window_size": 60}}
    assert rank_window_size({"rank": rrf, "retriever": {"linear": {"query": "hose", "rank_window_size": 30}}}) == 30
    assert rank_window_size({"rank": rrf, "retriever": {"linear": {"query": "hose", "rank_window_size": 90}}}) == 60
    assert rank_window_size({"rank": rrf, "retriever": STANDARD}) == 60


def test_a_search_without_retriever_has_no_rank_window() -> None:
    assert rank_window_size({"query": {"match": {"body": "hose"}}, "size": 5}) is None


@reaching(0.5, damaged(COMPOUND_RETRIEVERS, JSON | MISPLACED))
def test_the_rank_window_of_a_retriever_with_an_invalid_part_is_a_positive_number(retriever: Any) -> bool:
    limit = rank_window_size({"retriever": retriever})
    assert limit is None or limit > 0
    return limit is not None


def texts(retriever: Any) -> list[str]:
    found = [text.text for text in read_retriever(retriever, Context({"body": "text"}))]
    assert all(isinstance(text, str) for text in found)
    return found


@reaching(0.25, damaged(VALID_RETRIEVERS, JSON | MISPLACED))
def test_a_retriever_with_an_invalid_part_is_not_an_error(retriever: Any) -> bool:
    return any(texts(retriever))


@given(st.sampled_from(sorted(RETRIEVERS)), MISPLACED)
def test_no_value_of_a_retriever_is_an_error(name: str, value: Any) -> None:
    texts({name: value})


@reaching(1.0, VALID_RETRIEVERS)
def test_an_unknown_retriever_has_the_texts_of_the_one_inside(retriever: Any) -> bool:
    expected = texts(retriever)
    assert texts({"some_retriever": {"retriever": retriever, "filter": {"match": {"body": "unsaid"}}}}) == expected
    assert texts({"some_retriever": {"retrievers": [{"retriever": retriever, "weight": 2}]}}) == expected
    return any(expected)


HOSE = STANDARD["standard"]["query"]


@pytest.mark.parametrize(
    ("retriever", "expected"),
    [
        (STANDARD, ["hose"]),
        # An order that is not by relevance has no text.
        ({"standard": {"query": HOSE, "sort": ["_score"]}}, ["hose"]),
        ({"standard": {"query": HOSE, "sort": ["date"]}}, []),
        ({"standard": {"query": HOSE, "search_after": [1]}}, []),
        ({"standard": {"query": HOSE, "sort": ["_score"], "search_after": [1]}}, []),
        ({"standard": {"query": HOSE, "sort": ["date"], "search_after": [1]}}, []),
        # The text of a reranker replaces that of the hits that it reranks.
        ({"text_similarity_reranker": {"retriever": STANDARD, "inference_text": "tap"}}, ["tap"]),
        ({"text_similarity_reranker": {"retriever": STANDARD}}, ["hose"]),
        ({"text_similarity_reranker": {"retriever": STANDARD, "inference_text": ""}}, ["hose"]),
        ({"random_reranker": {"retriever": STANDARD}}, []),
        ({"rrf": {"query": "tap", "fields": ["body"]}}, ["tap"]),
        ({"rrf": {"query": "tap", "retrievers": [STANDARD, {"retriever": STANDARD}]}}, ["tap", "hose", "hose"]),
        ({"pinned": {"retriever": STANDARD, "docs": []}}, ["hose"]),
        ({"linear": {"retriever": STANDARD, "retrievers": STANDARD}}, ["hose", "hose"]),
        ({"knn": {"query_vector_builder": {"text_embedding": {"model_text": "tap"}}}}, ["tap"]),
    ],
)
def test_the_texts_of_retrievers(retriever: Any, expected: list[str]) -> None:
    assert texts(retriever) == expected
