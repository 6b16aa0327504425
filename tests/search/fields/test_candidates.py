from __future__ import annotations

from typing import Any

import pytest

from es_rerank.model import IndexInfo
from es_rerank.search.fields.candidates import candidates, names_in, text_fields
from es_rerank.search.query_text.terms import QueryText
from tests.search.builders import a_search

TYPES = {
    "body": "text",
    "title": "text",
    "title.english": "text",
    "title.keyword": "keyword",
    "author": "object",
    "author.name": "text",
    "remarks": "match_only_text",
    "price": "float",
    "zzz": "text",
}


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (TYPES, ("title", "body", "remarks", "zzz", "author.name")),
        ({"name": "keyword", "name.analyzed": "text"}, ("name",)),
        ({"name": "wildcard", "name.text": "match_only_text"}, ("name",)),
        ({"name": "text", "name.a": "text", "name.b": "search_as_you_type"}, ("name",)),
        ({"name": "search_as_you_type", "name._2gram": "search_as_you_type", "name.text": "text"}, ("name",)),
        ({"price": "long", "price.text": "text"}, ()),
        ({"when": "date", "when.text": "text"}, ()),
        ({"name": "keyword"}, ()),
        ({"comments": "nested", "comments.text": "text"}, ("comments.text",)),
        ({"resource": "passthrough", "resource.text": "text"}, ("resource.text",)),
        ({"_fulltext": "text", "_id": "_id"}, ("_fulltext",)),
        ({"aa": "text", "aa.keyword": "keyword", "bb": "text"}, ("bb", "aa")),
    ],
)
def test_text_fields_of_a_mapping_in_the_order_of_their_names(types: dict[str, str], expected: Any) -> None:
    info = IndexInfo((), types)
    assert text_fields(info) == expected
    assert text_fields(IndexInfo((), dict(reversed(types.items())))) == expected
    assert text_fields(info) is text_fields(info)


@pytest.mark.parametrize(
    ("named", "expected", "found"),
    [
        ([], ("title", "body", "remarks", "zzz", "author.name"), ()),
        (["*"], ("title", "body", "remarks", "zzz", "author.name"), ()),
        (["unknown", "b"], ("title", "body", "remarks", "zzz", "author.name"), ()),
        (["remarks"], ("title", "remarks", "body", "zzz", "author.name"), ("remarks",)),
        (["body"], ("title", "body", "remarks", "zzz", "author.name"), ("body",)),
        (["title.english"], ("title", "body", "remarks", "zzz", "author.name"), ("title",)),
        (["z*"], ("title", "zzz", "body", "remarks", "author.name"), ("zzz",)),
        (["author.*"], ("title", "author.name", "body", "remarks", "zzz"), ("author.name",)),
        (["[b]ody", "bod?"], ("title", "body", "remarks", "zzz", "author.name"), ()),
        (["[b]o*", "b?d*"], ("title", "body", "remarks", "zzz", "author.name"), ()),
    ],
)
def test_headlines_come_first_then_what_the_query_names(named: list[str], expected: Any, found: Any) -> None:
    names, in_query = candidates(IndexInfo((), TYPES), named)
    assert set(names) == set(expected)
    assert names[0] == "title"
    assert in_query == found
    texts = [name for name in names if name != "author.name"]
    assert texts == [name for name in expected if name != "author.name"]


def test_labels_are_candidates_only_if_there_are_few_texts() -> None:
    labels = {f"host{number}.id": "text" for number in range(20)}
    texts = {f"text{number}": "text" for number in range(60)}
    assert len(candidates(IndexInfo((), labels), [])[0]) == 8
    assert len(candidates(IndexInfo((), {**labels, "body": "text"}), [])[0]) == 8
    names, found = candidates(IndexInfo((), {**labels, **texts}), ["host3.id"])
    assert len(names) == 40
    assert [name for name in names if name in labels] == ["host3.id"] == list(found)


def test_among_many_texts_the_name_of_an_object_in_the_document_is_no_candidate() -> None:
    texts = {f"text{number}": "text" for number in range(8)}
    types = {**texts, "author.name": "text", "company_name": "text", "comments.text": "text"}
    names, _ = candidates(IndexInfo((), types), [])
    assert types.keys() - set(names) == {"author.name"}


def test_a_query_with_too_many_patterns_names_only_exact_fields() -> None:
    info = IndexInfo((), {f"f{number}": "text" for number in range(400)})
    patterns = [f"*{number}9" for number in range(100)]
    assert candidates(info, [*patterns, "f7"])[1] == ("f7",)
    assert candidates(info, patterns[:20])[1]


@pytest.mark.parametrize(
    ("highlight", "expected"),
    [
        ({}, ["title"]),
        ({"highlight": {"fields": {"body": {}, "a.*": {}}}}, ["title", "body", "a.*"]),
        ({"highlight": {"fields": [{"body": {}}, {"notes": {}}, 3]}}, ["title", "body", "notes"]),
        ({"highlight": {"fields": "body"}}, ["title"]),
        ({"highlight": 3}, ["title"]),
    ],
)
def test_a_search_names_the_fields_that_it_queries_and_highlights(highlight: Any, expected: list[str]) -> None:
    assert list(names_in(a_search(highlight), [QueryText("hose", ("title",))])) == expected


@pytest.mark.parametrize(("count", "named"), [(200, ("f7",)), (201, ())])
def test_up_to_20_000_patterns_and_fields_are_compared(count: int, named: tuple[str, ...]) -> None:
    info = IndexInfo((), {f"f{number}": "text" for number in range(count)})
    assert candidates(info, ["f7*", *(f"x{number}*" for number in range(99))])[1][:1] == named
