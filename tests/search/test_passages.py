from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from es_rerank.model import IndexInfo, Rule, Search
from es_rerank.search.passages import choose_fields, covered, extra_fields, passage, placeholders, requested_fields
from es_rerank.search.query_text.terms import QueryText
from tests.search.strategies import JSON

RULE = Rule("docs")
KINDS = {
    "body": "text",
    "title": "text",
    "title.english": "text",
    "title.keyword": "keyword",
    "author": "object",
    "author.name": "text",
    "notes": "match_only_text",
    "price": "float",
}


@pytest.mark.parametrize(
    ("rule", "searched", "expected"),
    [
        (Rule("docs", fields=("x.y", "body")), ["body"], ("x.y", "body")),
        (RULE, [], ("title", "author.name", "body", "notes")),
        (RULE, ["notes"], ("notes", "title", "author.name", "body")),
        (RULE, ["title.english", "body"], ("title", "body", "author.name", "notes")),
        (RULE, ["auth*"], ("author.name", "title", "body", "notes")),
    ],
)
def test_fields_are_chosen_by_rule_query_and_name(rule: Rule, searched: list[str], expected: tuple[str, ...]) -> None:
    assert choose_fields(rule, IndexInfo(("docs",), KINDS), [QueryText("hose", tuple(searched))]) == expected


def test_no_more_than_eight_fields_are_read() -> None:
    info = IndexInfo(("docs",), {f"f{at}": "text" for at in range(20)})
    assert choose_fields(RULE, info, []) == tuple(f"f{at}" for at in range(8))


@pytest.mark.parametrize(
    ("source", "flat", "fields", "expected"),
    [
        ({"title": "Hoses", "body": "All kinds."}, {}, ["title", "body"], "Hoses\nAll kinds."),
        ({"body": "All kinds."}, {}, ["title", "body"], "All kinds."),
        ({}, {}, ["title"], None),
        ({"title": " ", "body": ""}, {}, ["title", "body"], None),
        ({"a": {"b": [{"c": "x"}, {"c": ["y", "z"]}, {"d": "no"}]}}, {}, ["a.b.c"], "x y z"),
        ({"a.b": {"c": "x"}, "a": {"b.c": "y"}}, {}, ["a.b.c"], "y x"),
        ({"n": [1, 2.5, True, None]}, {}, ["n"], "1 2.5"),
        ({"title": {"en": "not text"}}, {}, ["title"], None),
        ({"title": "Hoses"}, {}, ["title.english"], "Hoses"),
        ({"a": [{"title": "x"}, {"title": ["y", "z"]}]}, {}, ["a.title.english"], "x y z"),
        ({"title": {"english": "x"}}, {}, ["title.french"], None),
        ({"title": "source"}, {"title": ["flat", "two"]}, ["title"], "flat two"),
        ({"title": "source"}, {"title": []}, ["title"], None),
    ],
)
def test_passage(source: Any, flat: Any, fields: list[str], expected: str | None) -> None:
    assert passage(source, flat, RULE, fields) == expected


@pytest.mark.parametrize(
    ("template", "source", "expected"),
    [
        ("title: {title}\nbody: {body}", {"title": "Hoses", "body": "All."}, "title: Hoses\nbody: All."),
        ("title: {title}\nbody: {body}", {"body": "All."}, "body: All."),
        ("{title} ({body})", {"title": "Hoses"}, "Hoses ()"),
        ("Product\n{title}", {"title": "{body}", "body": "x"}, "Product\n{body}"),
    ],
)
def test_templates(template: str, source: Any, expected: str) -> None:
    rule = Rule("docs", fields=("title", "body"), template=template)
    assert passage(source, {}, rule, rule.fields) == expected


def test_placeholders() -> None:
    assert placeholders("title: {title}\n{a.b} { c } {}") == ("title", "a.b")


@pytest.mark.parametrize(
    ("params", "body", "expected"),
    [
        ({}, {}, ()),
        ({}, {"_source": True}, ()),
        ({}, {"_source": False}, ("title", "body")),
        ({}, {"_source": ["title"]}, ("title", "body")),
        ({}, {"_source": False, "fields": ["ti*", {"field": "price"}]}, ("body",)),
        ({"_source_excludes": "body"}, {}, ("title", "body")),
        ({"stored_fields": "pk"}, {}, ("title", "body")),
    ],
)
def test_what_is_asked_for_beside_the_clients_view(
    params: dict[str, str], body: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert extra_fields(Search("docs", params, body), ("title", "body")) == expected


def test_what_the_client_finds_below_fields() -> None:
    body = {
        "fields": ["a", {"field": "b*"}, 3],
        "docvalue_fields": [{"field": "c", "format": "x"}],
        "stored_fields": "d",
        "script_fields": {"e": {}},
    }
    found = requested_fields(Search("docs", {"docvalue_fields": "f,g"}, body))
    assert found == ("a", "b*", "c", "d", "f", "g", "e")
    assert covered("body", found)
    assert not covered("title", found)


@given(JSON, JSON)
def test_no_document_is_an_error(source: Any, flat: Any) -> None:
    fields = ["a", "a.b", *(source if isinstance(source, dict) else ()), "x..y", ""]
    text = passage({"a": source}, {"x": flat}, RULE, fields)
    assert text is None or text


def test_arrays_hundreds_deep_are_no_text() -> None:
    deep: Any = "hose"
    for _ in range(2000):
        deep = [deep]
    assert passage({"body": deep}, {}, RULE, ["body"]) is None
