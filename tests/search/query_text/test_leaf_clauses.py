from __future__ import annotations

from typing import Any

import pytest

from es_rerank.search.query_text.leaf_clauses import (
    field_value,
    intervals,
    kql,
    model_text,
    more_like_this,
    own_value,
    query_string,
    query_vector,
    simple_query_string,
    span_multi,
    term_value,
    vector_text,
)
from es_rerank.search.query_text.terms import TEXT_KINDS, Clause, Context, QueryText, listed, member

KNOWN = Context({"body": "text", "tag": "keyword", "tag.keyword": "text"})


@pytest.mark.parametrize(
    ("context", "name", "is_text_field", "is_known_text_field"),
    [
        (KNOWN, "body", True, True),
        (KNOWN, "tag", False, False),
        (KNOWN, "tag.keyword", True, True),
        (KNOWN, "other", True, False),
        (KNOWN, "other.keyword", False, False),
        (KNOWN, "other.raw", False, False),
        (KNOWN, "_id", False, False),
        (KNOWN, "_all", True, False),
        (Context(), "body", True, False),
        (Context(mapping_unknown=True), "body", True, True),
        (Context(mapping_unknown=True), "body.keyword", False, False),
    ],
)
def test_whether_a_field_holds_words(
    context: Context, name: str, is_text_field: bool, is_known_text_field: bool
) -> None:
    assert (context.is_text_field(name), context.is_known_text_field(name)) == (is_text_field, is_known_text_field)


@pytest.mark.parametrize(
    "field_type",
    [
        "text",
        "match_only_text",
        "pattern_text",
        "search_as_you_type",
        "annotated_text",
        "semantic_text",
        "semantic",
    ],
)
def test_field_types_that_hold_words(field_type: str) -> None:
    assert Context({"field": field_type}).is_known_text_field("field")
    assert field_type in TEXT_KINDS


def test_other_field_types_hold_no_words() -> None:
    assert len(TEXT_KINDS) == 7
    for field_type in ("keyword", "constant_keyword", "wildcard", "long", "date", "dense_vector", "object"):
        assert not Context({"field": field_type}).is_text_field("field")


@pytest.mark.parametrize("name", ["_id", "_index", "_type", "_routing", "_ignored", "_tier"])
def test_metadata_fields_hold_no_words(name: str) -> None:
    assert not Context().is_text_field(name)


def test_one_of_several_clauses_affects_the_ranking() -> None:
    assert not KNOWN.one_of(1).affects_ranking
    assert KNOWN.one_of(2).affects_ranking
    assert KNOWN.one_of(2).one_of(1).affects_ranking
    several = KNOWN.one_of(2)
    assert several.one_of(2) is several
    assert KNOWN.one_of(2).field_types is KNOWN.field_types


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"body": "hose"}, [QueryText("hose", ("body",))]),
        ({"body": {"query": "hose", "boost": 2}, "tag": "diy"}, [QueryText("hose", ("body",))]),
        ({"body": {"value": 7}}, [QueryText("7", ("body",))]),
        ({"body": {"boost": 2}, "title": True, "text": None, "other": ["hose"]}, []),
        (["hose"], []),
    ],
)
def test_field_value(value: Any, expected: list[QueryText]) -> None:
    assert list(field_value("query", "value")(value, KNOWN)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"body": "hose"}, [QueryText("hose", ("body",), term_level=True)]),
        (
            {"body": ["garden", "hose"]},
            [QueryText("garden", ("body",), term_level=True), QueryText("hose", ("body",), term_level=True)],
        ),
        ({"tag": "diy", "other": "hose"}, []),
        ({"body": ["hose"] * 32}, [QueryText("hose", ("body",), term_level=True)] * 32),
        ({"body": ["hose"] * 33}, []),
    ],
)
def test_term_value(value: Any, expected: list[QueryText]) -> None:
    assert list(term_value("value")(value, KNOWN)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"query": "hose", "fields": ["body^2", "tag", 3]}, [QueryText("hose", ("body", "tag"))]),
        ({"query": "hose", "fields": "title"}, [QueryText("hose", ("title",))]),
        ({"query": "hose", "default_field": "tag"}, []),
        ({"query": "hose"}, [QueryText("hose")]),
        ({"query": ""}, []),
        (5, []),
    ],
)
def test_own_value(value: Any, expected: list[QueryText]) -> None:
    assert list(own_value("query")(value, KNOWN)) == expected


def test_the_field_of_a_model_is_listed_only_if_it_is_a_text_field() -> None:
    context = Context({"meaning": "semantic_text", "tokens": "sparse_vector"})
    read = model_text("query")
    assert list(read({"field": "meaning", "query": "hose"}, context)) == [QueryText("hose", ("meaning",))]
    assert list(read({"field": "tokens", "query": "hose"}, context)) == [QueryText("hose")]
    assert list(vector_text("query_text")({"tokens": {"query_text": "hose"}}, context)) == [QueryText("hose")]


def test_helpers_for_json() -> None:
    assert [listed(value) for value in (None, [], [1], 1, {})] == [[], [], [1], [1], [{}]]
    assert [member(value, "a") for value in ({"a": 1}, {}, [1], None, "a")] == [1, None, None, None, None]


@pytest.mark.parametrize("clause", [query_string, simple_query_string, kql])
def test_a_query_language_without_a_text_field_has_no_text(clause: Clause) -> None:
    assert list(clause({"query": "hose tap", "fields": ["tag"]}, KNOWN)) == []
    assert list(clause({"query": "hose tap", "fields": ["tag", "body^2"]}, KNOWN)) == [
        QueryText("hose tap", ("tag", "body"))
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"like": "leaking hose"}, "leaking hose"),
        ({"fields": ["body"], "like": "leaking hose"}, "leaking hose"),
        ({"fields": ["tag"], "like": "AB-12"}, ""),
        ({"like": {"doc": {"body": "leaking hose", "tag": "AB-12"}}}, "leaking hose"),
        ({"fields": ["body"], "like": {"doc": {"body": "leaking hose", "other": "pump"}}}, "leaking hose"),
        ({"docs": [{"doc": {"body": ["leaking", "hose"]}}]}, "leaking hose"),
        ({"like": {"_id": "1"}}, ""),
    ],
)
def test_the_texts_of_more_like_this(value: Any, expected: str) -> None:
    assert " ".join(text.text for text in more_like_this(value, KNOWN) if text.text) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [("hose", "hose"), ({"type": "text", "value": "hose"}, "hose"), ({"type": "image", "value": "aGk="}, "")],
)
def test_the_text_of_an_embedding(part: Any, expected: str) -> None:
    value = {"query_vector_builder": {"embedding": {"input": [part]}}}
    assert "".join(text.text for text in query_vector(value, KNOWN)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"body": {"match": {"query": "hose", "ordered": True}}}, ["hose"]),
        ({"body": {"prefix": {"prefix": "ho"}}}, ["ho"]),
        ({"body": {"wildcard": {"pattern": "ho*se"}}}, ["ho se"]),
        ({"body": {"fuzzy": {"term": "hoze"}}}, ["hoze"]),
        ({"body": {"fuzzy": {"query": "hoze"}}}, [""]),
        (
            {
                "body": {
                    "all_of": {
                        "intervals": [
                            {"match": {"query": "hose"}},
                            {"any_of": {"intervals": [{"match": {"query": "tap"}}, {"prefix": {"prefix": "re"}}]}},
                        ]
                    }
                }
            },
            ["hose", "tap", "re"],
        ),
        ({"body": {"regexp": {"pattern": "hose"}, "match": {"query": "tap"}}}, ["tap"]),
        ({"tag": {"match": {"query": "diy"}}, "body": {"match": {"query": "hose"}}}, ["hose"]),
        ({"body": "hose"}, []),
        ("hose", []),
    ],
)
def test_the_texts_of_intervals(value: Any, expected: list[str]) -> None:
    assert list(intervals(value, KNOWN)) == [QueryText(text, ("body",)) for text in expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"match": {"prefix": {"body": "ho"}}}, ["ho"]),
        ({"match": {"prefix": {"body": {"prefix": "ho"}}}}, ["ho"]),
        ({"match": {"fuzzy": {"body": {"value": "hoze"}}}}, ["hoze"]),
        ({"match": {"wildcard": {"body": {"wildcard": "h*se"}}}}, ["h se"]),
        ({"match": {"prefix": {"tag": "di"}}}, []),
        ({"match": {"regexp": {"body": "ho.e"}}}, []),
        ({"match": "hose"}, []),
        ({}, []),
    ],
)
def test_the_text_of_span_multi(value: Any, expected: list[str]) -> None:
    assert list(span_multi(value, KNOWN)) == [QueryText(text, ("body",)) for text in expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"query_vector_builder": {"text_embedding": {"model_text": "hose", "model_id": "m"}}}, ["hose"]),
        ({"query_vector_builder": {"embedding": {"input": ["hose", "tap"]}}}, ["", "hose", "tap"]),
        ({"query_vector": [1.0]}, [""]),
        ([{"field": "v"}], [""]),
    ],
)
def test_the_texts_of_a_query_vector(value: Any, expected: list[str]) -> None:
    assert list(query_vector(value, KNOWN)) == [QueryText(text) for text in expected]
