from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pytest

from es_rerank.jsonspan import MAX_DEPTH
from es_rerank.model import IndexInfo, PlanningBudget, Search, SearchBody
from es_rerank.search.query_text.clauses import CLAUSES, MAX_WRAPPERS
from es_rerank.search.query_text.extract import may_have_text, query_text, typed_texts
from es_rerank.search.query_text.retrievers import RETRIEVERS
from es_rerank.search.query_text.terms import QueryText
from tests.search.strategies import JSON, MISPLACED, QUERY_CASES, RETRIEVER_BODIES, SEARCH_BODIES, damaged, reaching


def with_values(values: dict[str, Any], params: dict[str, str] | None = None, raw: bytes = b"") -> Search:
    """Return a search whose body has these values, which need not fit into JSON text."""
    return Search("docs", params or {}, SearchBody(raw, values=values))


def searched(query: Any, **params: str) -> Search:
    return with_values({"query": query}, params)


@pytest.mark.parametrize(
    "case", QUERY_CASES, ids=[f"{number}-{next(iter(case.values()))}" for number, case in enumerate(QUERY_CASES)]
)
def test_cases(case: dict[str, Any]) -> None:
    info = IndexInfo(("docs",), case["field_types"]) if "field_types" in case else None
    search = with_values(case.get("body", {"query": case.get("query")}))
    assert query_text(typed_texts(search, info)) == case["text"]


def test_every_row_has_a_case() -> None:
    assert set(CLAUSES) - {case.get("clause") for case in QUERY_CASES} == set()
    assert set(RETRIEVERS) - {case.get("retriever") for case in QUERY_CASES} == set()


def test_q_replaces_the_query_of_the_body() -> None:
    search = searched({"match": {"body": "tap"}}, q="title:hose -old", df="body")
    assert typed_texts(search, None) == [QueryText("hose", ("body",))]


def test_q_with_a_keyword_field_as_df_counts_only_words_with_the_name_of_a_text_field() -> None:
    info = IndexInfo(("docs",), {"sku": "keyword", "title": "text"})
    assert query_text(typed_texts(searched(None, q="AB-12", df="sku"), info)) == ""
    assert query_text(typed_texts(searched(None, q="AB-12 title:hose", df="sku"), info)) == "hose"


def test_a_text_searched_in_many_fields_is_one_text_with_all_of_them() -> None:
    clauses = [{"match": {"title": "Garden  Hose"}}, {"match": {"body": "garden hose"}}, {"match": {"title": " "}}]
    assert typed_texts(searched({"dis_max": {"queries": clauses}}), None) == [
        QueryText("Garden Hose", ("title", "body"))
    ]


def test_of_equal_texts_the_most_frequent_spelling_counts() -> None:
    clauses = [{"match": {"body": text}} for text in ("wet hose", "wet hoses", "Wet hose", "wet hoses")]
    assert typed_texts(searched({"dis_max": {"queries": clauses}}), None) == [QueryText("wet hoses", ("body",))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"term": {"body": "hose"}}, True),
        ({"bool": {"must": [{"wildcard": {"body": "*hose*"}}]}}, True),
        ({"term": {"body.keyword": "hose"}}, False),
        ({"bool": {"filter": [{"match": {"body": "hose"}}, {"term": {"body": "hose"}}]}}, False),
        ({"match": {"body": " "}}, False),
        ({"match_all": {}}, False),
    ],
)
def test_some_searches_have_no_text_whatever_the_mapping(query: Any, expected: bool) -> None:
    assert may_have_text(searched(query)) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ""),
        (["garden hose", "hose"], "garden hose"),
        (["hose", "garden hose"], "garden hose"),
        (["hose", "hosepipe"], "hose hosepipe"),
        (["Leaking Hose", "leaking"], "Leaking Hose"),
    ],
)
def test_query_text(texts: list[str], expected: str) -> None:
    assert query_text([QueryText(text) for text in texts]) == expected


HOSE = '{"match":{"body":"hose"}}'


def nested(form: str, leaf: str = HOSE) -> Search:
    """Return a search with a body of about the maximum depth: *leaf* in *form*, in *form* again, and so on."""
    text = leaf
    while _depth(deeper := form.replace("%s", text)) < MAX_DEPTH:
        text = deeper
    name = "retriever" if "retriever" in form else "query"
    return Search("docs", {}, SearchBody.parse(f'{{"{name}":{text}}}'.encode()))


def _depth(text: str) -> int:
    return max(accumulate((one in "[{") - (one in "]}") for one in text))


@pytest.mark.parametrize(
    "form",
    [
        '{"bool":{"must":[%s]}}',
        '{"bool":{"should":%s}}',
        '{"dis_max":{"queries":[%s]}}',
        '{"constant_score":{"filter":{"bool":{"should":[{"exists":{"field":"a"}},%s]}}}}',
        '{"some_plugin":%s}',
        '{"some_plugin":[[%s]]}',
        '{"pinned":{"retriever":%s}}',
        '{"rrf":{"retrievers":[{"retriever":%s}]}}',
    ],
)
def test_queries_at_the_maximum_depth_are_read_wherever_they_are_called_from(form: str) -> None:
    search = nested(form, HOSE if "retriever" not in form else f'{{"standard":{{"query":{HOSE}}}}}')

    def deeper(calls: int) -> Sequence[QueryText]:
        return deeper(calls - 1) if calls else typed_texts(search, None)

    assert deeper(0) == deeper(300)
    assert may_have_text(search) is bool(deeper(0))


@pytest.mark.parametrize(("count", "text"), [(MAX_WRAPPERS, "hose"), (MAX_WRAPPERS + 1, "")])
def test_wrappers_in_wrappers_are_decoded_at_most_once(count: int, text: str) -> None:
    query: dict[str, Any] = {"match": {"body": "hose"}}
    for _ in range(count):
        query = {"wrapper": {"query": b64encode(json.dumps(query).encode()).decode()}}
    assert query_text(typed_texts(searched(query), None)) == text


@reaching(0.3, damaged(SEARCH_BODIES | RETRIEVER_BODIES, JSON | MISPLACED))
def test_a_body_with_an_invalid_part_is_not_an_error(body: dict[str, Any]) -> bool:
    search = with_values(body)
    texts = []
    for info in (IndexInfo(("docs",), {"body": "keyword"}), IndexInfo(("docs",), {"body": "text"}), None):
        texts = typed_texts(search, info)
        assert all(text.text == " ".join(text.text.split()) != "" for text in texts)
        assert bool(query_text(texts)) is bool(texts)
        assert may_have_text(search) or not texts
    return bool(texts)


def test_at_most_as_many_clauses_are_read_as_the_engines_accept() -> None:
    many = [{"match": {"body": f"hose {number}"}} for number in range(2000)]
    texts = typed_texts(searched({"bool": {"should": many}}), None)
    assert [text.text for text in texts] == [f"hose {number}" for number in range(1024)]


def test_a_text_that_begins_with_more_white_space_than_a_query_is_long_is_read() -> None:
    like = [" " * 20_000, "hose"]
    assert typed_texts(searched({"more_like_this": {"like": {"doc": {"body": like}}}}), None) == [QueryText("hose")]


@pytest.mark.parametrize(("tokens", "expected"), [(4, False), (3, True)])
def test_over_the_budget_an_excluded_word_may_be_a_text(tokens: int, expected: bool) -> None:
    """Only the parser knows what NOT excludes."""
    values = {"query": {"query_string": {"query": "NOT (tap)"}}}
    search = replace(with_values(values), budget=PlanningBudget(syntax_tokens=tokens))
    assert may_have_text(search) is expected
    assert bool(typed_texts(search, None)) is expected


def test_q_is_cut_to_the_length_of_a_query() -> None:
    (text,) = typed_texts(searched(None, q="hose " * 10_000), None)
    assert text.text == ("hose " * 4000).strip()
    (text,) = typed_texts(searched(None, q="x" * 20_001), None)
    assert text.text == "x" * 20_000


def test_q_with_a_default_field_has_its_texts_under_the_mapping_only() -> None:
    search = searched({"match": {"body": "tap"}}, q="AB-12", df="sku")
    assert may_have_text(search)
    assert typed_texts(search, IndexInfo(("docs",), {"sku": "keyword"})) == []


def test_equal_fields_are_listed_once_also_for_a_single_text() -> None:
    query = {"multi_match": {"query": " garden  hose ", "fields": ["title^2", "body", "title"]}}
    assert typed_texts(searched(query), None) == [QueryText("garden hose", ("title", "body"))]


def test_whether_a_search_has_a_text_is_known_from_the_first_one() -> None:
    calls: list[str] = []

    class Watched(dict[str, Any]):
        def items(self) -> Any:
            calls.append("read")
            return super().items()

    assert may_have_text(searched([{"match": {"body": "hose"}}, Watched(match={"body": "river"})]))
    assert not calls
    assert not may_have_text(searched(Watched(match_all={})))
    assert calls


@pytest.mark.parametrize("clause", ["match", "query_string", "simple_query_string", "kql"])
def test_a_text_is_cut_to_the_length_of_a_query(clause: str) -> None:
    long = "hose " * 10_000
    value = {"body": long} if clause == "match" else {"query": long}
    (one,) = typed_texts(searched({clause: value}), None)
    assert one.text == ("hose " * 4000).strip()


@pytest.mark.parametrize("clause", ["query_string", "kql"])
@pytest.mark.parametrize(("tokens", "text"), [(12, "hose pipe"), (11, "hose pipe tap")])
def test_over_the_budget_query_languages_are_not_parsed_but_lose_their_operators(
    clause: str, tokens: int, text: str
) -> None:
    """The budget is one for all clauses of a search."""
    clauses = [{clause: {"query": f"{word} AND NOT (tap)"}} for word in ("hose", "pipe")]
    search = replace(searched(clauses), budget=PlanningBudget(syntax_tokens=tokens))
    assert query_text(typed_texts(search, None)) == text


def test_texts_are_read_up_to_twice_the_length_of_a_query_over_all_clauses() -> None:
    clauses = [{"match": {f"f{number}": "hose " * 4000}} for number in range(3)]
    (text,) = typed_texts(searched(clauses), None)
    assert text.fields == ("f0", "f1")
