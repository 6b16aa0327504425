"""The valid skeletons have what their docstrings promise, so that the tests that use them reach their claims."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from es_rerank.model import IndexInfo, Search, SearchBody
from es_rerank.search.query_text.extract import may_have_text, typed_texts
from tests.search.strategies import (
    ASYNC_RESPONSES,
    MSEARCH_REQUESTS,
    RANK_EVAL_BODIES,
    RETRIEVER_BODIES,
    SEARCH_BODIES,
    SEARCH_RESPONSES,
    VALID_QUERIES,
    damaged,
    reaching,
)

MAPPING = IndexInfo(
    ("docs",), {"title": "text", "body": "text", "comments.text": "text", "meaning": "semantic_text", "tag": "keyword"}
)


def has_text(body: dict[str, Any]) -> bool:
    search = Search("docs", body=SearchBody(values=body))
    return may_have_text(search) and bool(typed_texts(search, None)) and bool(typed_texts(search, MAPPING))


@reaching(1.0, SEARCH_BODIES | RETRIEVER_BODIES)
def test_every_body_has_a_text(body: dict[str, Any]) -> bool:
    return has_text(body)


@reaching(1.0, MSEARCH_REQUESTS, RANK_EVAL_BODIES)
def test_every_search_of_many_has_a_text(
    lines: list[tuple[dict[str, Any], dict[str, Any]]], rank_eval: dict[str, Any]
) -> bool:
    return all(has_text(body) for _, body in lines) and all(has_text(one["request"]) for one in rank_eval["requests"])


@reaching(0.8, SEARCH_RESPONSES, ASYNC_RESPONSES)
def test_most_responses_have_hits_in_the_order_of_their_scores(search: Any, asynchronous: Any) -> bool:
    for response in (search, asynchronous["response"]):
        scores = [hit["_score"] for hit in response["hits"]["hits"]]
        assert scores == sorted(scores, reverse=True)
        assert response["hits"]["max_score"] == (scores[0] if scores else None)
    return bool(search["hits"]["hits"]) or bool(asynchronous["response"]["hits"]["hits"])


@reaching(0.8, VALID_QUERIES.flatmap(lambda query: st.tuples(st.just(query), damaged(st.just(query)))))
def test_damage_is_in_one_place_and_leaves_the_original(pair: tuple[Any, Any]) -> bool:
    query, other = pair
    return bool(query != other) and isinstance(other, dict) and query.keys() <= other.keys()


def test_a_property_that_is_reached_too_seldom_fails() -> None:
    @reaching(0.9, st.booleans())
    def seldom(value: bool) -> bool:
        return value

    @reaching(0.1, st.booleans())
    def often(value: bool) -> bool:
        return value

    often()
    with pytest.raises(AssertionError, match="reached the claim"):
        seldom()
