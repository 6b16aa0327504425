from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.jsonspan import MAX_DEPTH
from es_rerank.model import Rule
from es_rerank.search.passages import (
    ambiguous_fields,
    extra_fields,
    is_covered,
    passages,
    placeholders,
    planned_passages,
    requested_fields,
)
from tests.search.builders import a_plan, a_search
from tests.search.strategies import JSON

RULE = Rule("docs")


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
        ({"": {"a": {"b": "x"}}}, {}, ["a.b"], None),
        ({"a": {"": {"b": "x"}}}, {}, ["a.b"], None),
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
        ({}, {"_source": "*"}, ()),
        ({}, {"_source": []}, ()),
        ({}, {"_source": ["*"]}, ()),
        ({}, {"_source": {}}, ()),
        ({}, {"_source": {"excludes": []}}, ()),
        ({}, {"_source": {"includes": [], "include": ["*"], "excludes": [], "exclude": []}}, ()),
        ({}, {"_source": {"includes": ["*"], "excludes": []}}, ()),
        ({}, {"_source": {"excludes": []}, "stored_fields": ["*"], "script_fields": {}}, ()),
        ({"_source": "true"}, {"_source": False}, ()),
        ({"_source_includes": "*", "_source_excludes": ""}, {}, ()),
        ({}, {"_source": {"excludes": ["body"]}}, ("title", "body")),
        ({}, {"_source": {"includes": ["title"]}}, ("title", "body")),
        ({}, {"_source": {"include": ["*"], "unknown": 3}}, ("title", "body")),
        ({"_source": "false"}, {"_source": True}, ("title", "body")),
        ({"_source_excludes": "body"}, {"_source": ["*"]}, ("title", "body")),
        ({}, {"_source": False}, ("title", "body")),
        ({}, {"_source": ["title"]}, ("title", "body")),
        ({}, {"_source": False, "fields": ["ti*", {"field": "price"}]}, ("body",)),
        ({"_source_excludes": "body"}, {}, ("title", "body")),
        ({"stored_fields": "pk"}, {}, ("title", "body")),
        ({"stored_fields": "*"}, {}, ("title", "body")),
        ({}, {"stored_fields": ["*"], "docvalue_fields": ["t*"], "_source": False}, ("title", "body")),
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
    assert patterns == ("a", "b*", "c", "f", "g", "d", "e")
    assert ambiguous_fields(a_search(body)) == ("c", "d", "e")
    assert is_covered("body", patterns)
    assert not is_covered("title", patterns)


@pytest.mark.parametrize(
    ("params", "body", "expected"),
    [
        ({}, {}, ()),
        ({}, {"fields": ["a"]}, ("a",)),
        ({"docvalue_fields": "b,c"}, {}, ("b", "c")),
        ({"stored_fields": "d"}, {"_source": True}, ("d",)),
        ({}, {"script_fields": {"e": {}}}, ("e",)),
        ({}, {"script_fields": ["e"]}, ()),
        ({"fields": "a"}, {"stored_fields": ["d"]}, ("a", "d")),
    ],
)
def test_fields_may_be_requested_in_the_body_or_in_the_url(
    params: dict[str, str], body: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert requested_fields(a_search(body, params)) == expected


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


@pytest.mark.parametrize(
    ("source", "flat", "name", "expected"),
    [
        ({"title": " Hoses "}, {}, "title", "Hoses"),
        ({"title": None}, {}, "title", None),
        ({"a": {"b": ["x", {"c": 1}, "y"]}}, {}, "a.b", "x y"),
        ({"a": [{"b": "x"}, {"b": ["y", 3]}]}, {}, "a.b", "x y 3"),
        ({"a.b": "x"}, {}, "a.b", "x"),
        ({"a": {"b.c": "x"}}, {}, "a.b.c", "x"),
        ({"a": [{"b": "x"}, {"b.c": "y"}]}, {}, "a.b.c", "y"),
        ({"a": "x"}, {}, "a.b", None),
        ({"title": "source"}, {"title": ["flat", "two"]}, "title", "flat two"),
        ({"title": "source"}, {"other": ["flat"]}, "title", "source"),
        ({}, {"comments": [{"text": ["x"]}, {"text": ["y"]}]}, "comments.text", "x y"),
        ({"body": "<p>A <b>hose</b> &amp; tap</p>"}, {}, "body", "A hose & tap"),
    ],
)
def test_the_text_of_a_candidate(source: Any, flat: Any, name: str, expected: str | None) -> None:
    plan = a_plan(passage_fields=(name,), chooses_fields=True)
    assert planned_passages([(source, flat)], plan)[0] == [expected]


@pytest.mark.parametrize(
    ("text", "expected"), [("Garden hose", (["Garden hose"], ("x",))), ("", ([None], ())), (None, ([None], ()))]
)
def test_of_candidates_without_a_text_none_is_read(text: str | None, expected: Any) -> None:
    plan = a_plan(passage_fields=("x",), chooses_fields=True)
    assert planned_passages([({"x": text}, {})], plan) == expected


def test_given_fields_are_read_as_they_are() -> None:
    plan = a_plan(passage_fields=("id", "title"))
    assert planned_passages([({"id": "a-1", "title": "Hoses"}, {})], plan) == (["a-1\nHoses"], ("id", "title"))


def test_candidates_at_the_maximum_depth_are_read_wherever_they_are_called_from() -> None:
    deep: Any = "hose"
    for _ in range(MAX_DEPTH):
        deep = [deep]

    def deeper(calls: int) -> list[str | None]:
        return deeper(calls - 1) if calls else planned_passages([({"body": deep}, {})], a_plan(chooses_fields=True))[0]

    assert deeper(0) == deeper(300) == ["hose"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"title": "Hoses", "meta": {"product_name": "Reel"}}, "title: Hoses\nproduct name: Reel"),
        ({"title": "Hoses"}, "Hoses"),
        ({}, None),
    ],
)
@pytest.mark.parametrize("chooses_fields", [True, False])
def test_several_texts_have_the_labels_of_their_fields(source: Any, expected: str | None, chooses_fields: bool) -> None:
    fields = ("title", "meta.product_name")
    plan = a_plan(rule=Rule("docs", labels=True), passage_fields=fields, chooses_fields=chooses_fields)
    assert planned_passages([(source, {})], plan)[0] == [expected]
