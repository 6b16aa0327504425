from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.jsonspan import MAX_DEPTH
from es_rerank.model import IndexInfo, Rule
from es_rerank.search.passages import choose_fields, extra_fields, is_covered, passages, placeholders, requested_fields
from es_rerank.search.query_text.terms import QueryText
from tests.search.builders import a_search
from tests.search.strategies import JSON

RULE = Rule("docs")
FIELD_TYPES = {
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
    ("rule", "searched_fields", "expected"),
    [
        (Rule("docs", fields=("x.y", "body")), ["body"], ("x.y", "body")),
        (RULE, [], ("title", "author.name", "body", "notes")),
        (RULE, ["notes"], ("notes", "title", "author.name", "body")),
        (RULE, ["title.english", "body"], ("title", "body", "author.name", "notes")),
        (RULE, ["auth*"], ("author.name", "title", "body", "notes")),
    ],
)
def test_fields_are_chosen_by_rule_query_and_name(
    rule: Rule, searched_fields: list[str], expected: tuple[str, ...]
) -> None:
    query_texts = [QueryText("hose", tuple(searched_fields))]
    assert choose_fields(rule, IndexInfo(("docs",), FIELD_TYPES), query_texts) == expected


def test_at_most_eight_fields_are_read() -> None:
    info = IndexInfo(("docs",), {f"f{number}": "text" for number in range(20)})
    assert choose_fields(RULE, info, []) == tuple(f"f{number}" for number in range(8))


def passage(source: Any, flat: Any, rule: Rule, fields: Sequence[str]) -> str | None:
    """Return the passage of one hit."""
    (text,) = passages([(source, flat)], rule, fields)
    return text


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
        ({}, {"comments": [{"text": ["x"]}, {"text": ["y"]}]}, ["comments.text"], "x y"),
    ],
)
def test_a_passage_is_the_text_of_each_field_on_a_line(
    source: Any, flat: Any, fields: list[str], expected: str | None
) -> None:
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
def test_a_template_gives_the_passage_its_form(template: str, source: Any, expected: str) -> None:
    rule = Rule("docs", fields=("title", "body"), template=template)
    assert passage(source, {}, rule, rule.fields) == expected


def test_each_hit_has_a_passage_or_none() -> None:
    sources = [({"title": "a"}, {}), ({}, {}), ({}, {"title": ["b"]})]
    assert passages(sources, RULE, ["title"]) == ["a", None, "b"]


def test_placeholders_of_a_template() -> None:
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
def test_fields_that_the_client_did_not_request_are_extra(
    params: dict[str, str], body: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert extra_fields(a_search(body, params), ("title", "body")) == expected


def test_requested_fields_are_those_of_all_parts() -> None:
    body = {
        "fields": ["a", {"field": "b*"}, 3],
        "docvalue_fields": [{"field": "c", "format": "x"}],
        "stored_fields": "d",
        "script_fields": {"e": {}},
    }
    patterns = requested_fields(a_search(body, {"docvalue_fields": "f,g"}))
    assert patterns == ("a", "b*", "c", "d", "f", "g", "e")
    assert is_covered("body", patterns)
    assert not is_covered("title", patterns)


NAMES = ["a", "a.b", "x", "x..y", ""]
FIELD_VALUES = JSON | st.text(min_size=1) | st.lists(st.fixed_dictionaries({"b": JSON | st.text(min_size=1)}))
SOURCES = st.dictionaries(st.sampled_from([*NAMES, "b"]), FIELD_VALUES)


def test_every_document_has_a_text_or_none() -> None:
    texts: list[str | None] = []

    @given(SOURCES, SOURCES, st.none() | st.just("{a}\n{x}"))
    def check(source: dict[str, Any], flat: dict[str, Any], template: str | None) -> None:
        rule = Rule("docs", template=template)
        text = passage(source, flat, rule, [*NAMES, *source])
        texts.append(text)
        assert text is None or text

    check()
    assert any(text is not None for text in texts)
    assert any(text is None for text in texts)


def test_arrays_at_the_maximum_depth_are_read_wherever_they_are_called_from() -> None:
    deep: Any = "hose"
    for _ in range(MAX_DEPTH):
        deep = [deep]

    def deeper(calls: int) -> str | None:
        return deeper(calls - 1) if calls else passage({"body": deep, "a": deep}, {}, RULE, ["body", "a.b"])

    assert deeper(0) == deeper(300) == "hose\nhose"
