from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Search, SearchBody, Skip, Why
from es_rerank.search.plan import early
from es_rerank.search.query_text.extract import may_have_text
from es_rerank.search.relevance_sort import is_relevance_sort

HOSE = {"match": {"body": "hose"}}
SORTS: list[tuple[Any, bool]] = [
    # No criterion: the engines order by relevance.
    (None, True),
    ([], True),
    ({}, True),
    ([{}], True),
    # One criterion.
    ("_score", True),
    (["_score"], True),
    ({"_score": "desc"}, True),
    ({"_score": {"order": "desc"}}, True),
    ({"_score": {}}, True),
    ([{"_score": "desc"}], True),
    ({"_score": "asc"}, False),
    ([{"_score": {"order": "asc"}}], False),
    ("date", False),
    ({"date": "desc"}, False),
    ({"date": {"order": "desc"}}, False),
    ({"_geo_distance": {"location": "40,-70"}}, False),
    # Many criteria: the first one decides, also inside one object.
    (["_score", {"date": "desc"}], True),
    ([{"_score": "desc"}, "date"], True),
    (["date", "_score"], False),
    ({"_score": "desc", "date": "asc"}, True),
    ({"date": "asc", "_score": "desc"}, False),
    ([{}, "date"], False),
    ([{}, "_score"], True),
    # What the engines reject.
    ("", False),
    ([""], False),
    (3, False),
    (0, False),
    (False, False),
    ([None], False),
    ([["_score"]], False),
    ({"_score": None}, False),
    ({"_score": ["desc"]}, False),
    ({"_score": {"order": None}}, False),
]


@pytest.mark.parametrize(("sort", "expected"), SORTS)
def test_a_sort_is_by_relevance_if_its_first_criterion_is_score_descending(sort: Any, expected: bool) -> None:
    assert is_relevance_sort(sort) is expected


@pytest.mark.parametrize(("sort", "expected"), SORTS)
def test_a_search_body_and_a_standard_retriever_are_judged_alike(sort: Any, expected: bool) -> None:
    body = Search("docs", body=SearchBody(values={"query": HOSE, "sort": sort}))
    assert early(body) == (None if expected else Skip(Why.SORT))
    retriever = Search("docs", body=SearchBody(values={"retriever": {"standard": {"query": HOSE, "sort": sort}}}))
    assert may_have_text(retriever) is expected


@given(st.lists(st.sampled_from(["date", {"_score": "desc"}, {"date": "asc", "_score": "asc"}])))
def test_later_criteria_never_matter(later: list[Any]) -> None:
    assert is_relevance_sort(["_score", *later])
    assert not is_relevance_sort(["date", *later])
