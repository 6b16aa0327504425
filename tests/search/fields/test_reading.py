from __future__ import annotations

import pytest

from es_rerank.model import IndexInfo, Plan, Rule
from es_rerank.search.fields.reading import compiled, labeled, places, read_together
from es_rerank.search.passages import planned_passages
from es_rerank.search.plan import make
from tests.search.builders import a_search
from tests.search.mappings import CASES, QUERIES, MappingCase, planned, values


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("dynamic", [True, False], ids=["dynamic", "explicit"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_text_that_answers_comes_first(case: MappingCase, dynamic: bool, query: str) -> None:
    plan = planned(case, case.types(dynamic=dynamic), query)
    texts, fields = planned_passages([(document, {}) for document in case.documents], plan)
    for document, text in zip(case.documents, texts, strict=True):
        assert (text or "").startswith(case.start_of(document))
    assert set(fields).isdisjoint(case.never)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_order_of_the_fields_in_the_mapping_does_not_matter(case: MappingCase) -> None:
    types = case.types(dynamic=True)
    sources = [(document, {}) for document in case.documents]
    forwards, backwards = (planned(case, dict(order)) for order in (types.items(), reversed(types.items())))
    assert planned_passages(sources, forwards) == planned_passages(sources, backwards)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_response_with_fields_gives_the_same_passages_as_one_with_the_source(case: MappingCase) -> None:
    plan = planned(case, case.types(dynamic=True))
    flat = [
        {name: found for name in plan.passage_fields if (found := values(document, name))}
        for document in case.documents
    ]
    from_source = planned_passages([(document, {}) for document in case.documents], plan)
    assert planned_passages([({}, fields) for fields in flat], plan) == from_source


TITLES = ["Hose with brass tap", "Reel for the wall", "Soaker hose kit"]
BODIES = [f"A long text about the article number {row} and its use in gardens." for row in ("one", "two", "three")]
ALL = [f"{title} {body} garden" for title, body in zip(TITLES, BODIES, strict=True)]
TAGS = ["garden", "garden", "garden"]
HTML = [f"<p>{body}</p>" for body in BODIES]


@pytest.mark.parametrize(
    ("columns", "named", "expected"),
    [
        # Two fields with the same text: an alias, a twin, a rendered copy.
        ({"title": TITLES, "headline": TITLES, "body": BODIES}, [], "{title}\n{body}"),
        ({"title": TITLES, "title_auto": TITLES, "body": BODIES, "text": BODIES}, [], "{title}\n{body}"),
        ({"title": TITLES, "body": BODIES, "x": BODIES}, ["x"], "{title}\n{body}"),
        # The target of `copy_to`, whose text `fields` returns, and fields that applications fill like one.
        ({"title": TITLES, "body": BODIES, "all_text": ALL, "tag": TAGS}, ["all_text"], "{title}\n{body}"),
        ({"all_text": ALL, "title": TITLES, "body": BODIES, "tag": TAGS}, [], "{title}\n{body}"),
        # A part of a text that was read.
        ({"title": TITLES, "body": BODIES, "excerpt": [body[:40] for body in BODIES]}, ["body"], "{title}\n{body}"),
        # A line that adds only a little to a text that was read.
        ({"message": BODIES, "original": [f"2024-05-01 web-01 {body}" for body in BODIES], "a.b": TAGS}, [], "{body}"),
        # Names that are clear need no documents.
        ({"title": TITLES, "body": BODIES}, [], "{title}\n{body}"),
        ({"title": TITLES, "body": TITLES}, [], "{title}"),
        ({"title": ["", "", ""], "body": ["", "", ""]}, [], None),
    ],
)
def test_no_text_is_read_twice(columns: dict[str, list[str]], named: list[str], expected: str | None) -> None:
    chosen = places(columns, named, "hose")
    for row, (title, body) in enumerate(zip(TITLES, BODIES, strict=True)):
        wanted = expected.format(title=title, body=body) if expected else None
        assert read_together(columns, chosen, row) == wanted


@pytest.mark.parametrize(
    ("first", "size", "is_read"),
    [("a" * 40, 66, False), ("a" * 40, 67, True), ("a" * 39, 60, True), ("a" * 60, 100, False), ("a" * 59, 100, True)],
)
def test_a_text_is_read_if_it_adds_enough_to_an_earlier_one(first: str, size: int, is_read: bool) -> None:
    second = first + "b" * (size - len(first))
    text = read_together({"title": [first], "body": [second]}, [("title",), ("body",)], 0)
    assert text == (f"{first}\n{second}" if is_read else first)


def test_texts_are_labeled_if_there_are_several() -> None:
    columns = {"product.product_name": ["Reel"], "body": ["For the wall"]}
    chosen = [("product.product_name",), ("body",)]
    assert read_together(columns, chosen, 0, labels=True) == "product name: Reel\nbody: For the wall"
    assert read_together(columns, chosen[:1], 0, labels=True) == "Reel"
    assert labeled([], []) == []


@pytest.mark.parametrize(
    ("both", "is_compiled"),
    [
        (["Hose with tap A long text of gardens"] * 3, True),
        # The first two documents decide.
        (["Hose with tap A long text of gardens"] * 2 + ["Another text that is long enough"], True),
        (["Hose with tap A long text of gardens", *["Another text that is long enough"] * 2], False),
        # Short values and missing ones say nothing.
        (["", "Hose", "Hose with tap A long text of gardens"], True),
        (["Hose with tap", "", "Hose with tap"], False),
    ],
)
def test_a_field_that_is_made_of_others_in_its_first_documents_is_a_compilation(
    both: list[str], is_compiled: bool
) -> None:
    columns = {"both": both, "a": ["Hose with tap"] * 3, "b": ["A long text of gardens"] * 3}
    assert compiled(columns) == ({"both"} if is_compiled else set())


def test_a_field_that_adds_to_a_single_other_field_is_no_compilation() -> None:
    assert compiled({"original": [f"2024-05-01 {body}" for body in BODIES], "message": BODIES}) == set()


def test_a_headline_is_never_behind_a_long_text() -> None:
    types = {"body": "text", "title": "text"}
    search = a_search({"query": {"match": {"body": "hose"}}, "highlight": {"fields": {"body": {}}}})
    plan = make(search, Rule("default"), IndexInfo((), types))
    assert isinstance(plan, Plan)
    assert planned_passages([({"body": "hose " * 5000, "title": "Reel"}, {})], plan)[0][0][:10] == "Reel\nhose "  # type: ignore[index]


CLEAR = {"body": TAGS, "title": TAGS, "summary": TAGS}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # Up to three fields with clear names are read in the given order, whatever the documents have.
        (CLEAR, ["body", "title", "summary"]),
        ({"body": TAGS}, ["body"]),
        ({}, []),
        # Otherwise the documents decide: these have only single words.
        ({**CLEAR, "text": BODIES}, ["title", "text"]),
        ({"body": TAGS, "x": TAGS, "text": BODIES}, ["text"]),
        ({"body": TAGS, "status": TAGS, "text": BODIES}, ["text"]),
        ({"body_en": TAGS, "text": BODIES}, ["text"]),
    ],
)
def test_when_the_documents_decide(columns: dict[str, list[str]], expected: list[str]) -> None:
    assert [name for place in places(columns, [], "hose") for name in place] == expected


PART = "a hose and"


@pytest.mark.parametrize(
    ("text", "others", "is_compiled"),
    [
        # At least 30 characters, 80 % of which are in other values.
        (f"{PART}bbbbbbbbbbbbbbcccccc", [PART, "b" * 14], True),
        (f"{PART}bbbbbbbbbbbbbbbccccc", [PART, "b" * 13], False),
        (f"{PART}bbbbbbbbbbbbbbbbbbb", [PART, "b" * 19], False),
        (f"{PART}bbbbbbbbbbbbbbbbbbbb", [PART, "b" * 20], True),
        # Several values of at least three characters, one of them with a space, and none of them the text itself.
        (f"{PART} a long hose bbb", [f"{PART} a long hose", "bbb"], False),
        (f"{PART} a very long hose bbb", [f"{PART} a very long hose", "bbb"], True),
        (f"{PART} a very long hose bb", [f"{PART} a very long hose", "bb"], False),
        ("a" * 15 + "b" * 15, ["a" * 15, "b" * 15], False),
        (f"{PART} a very long hose bbb", [f"{PART} a very long hose bbb", f"{PART} a very long"], False),
        (f"{PART} a very long hose bbb", [f"{PART} a very long hose", "another text"], False),
    ],
)
def test_how_much_of_a_compilation_is_in_other_fields(text: str, others: list[str], is_compiled: bool) -> None:
    columns = {"both": [text], **{f"x{number}": [other] for number, other in enumerate(others)}}
    assert ("both" in compiled(columns)) is is_compiled


@pytest.mark.parametrize("labels", [True, False])
def test_at_most_eight_texts_of_a_document_are_read(labels: bool) -> None:
    columns = {f"x_{number}": [f"text {number}"] for number in range(10)}
    text = read_together(columns, [(name,) for name in columns], 0, labels=labels)
    assert text == "\n".join(f"x {number}: text {number}" if labels else f"text {number}" for number in range(8))


def test_the_first_field_of_a_place_that_has_a_value_is_read() -> None:
    columns = {"title_en": ["", "Hose", ""], "title_de": ["Schlauch", "Schlauch", ""]}
    found = [read_together(columns, [("title_en", "title_de")], row) for row in range(3)]
    assert found == ["Schlauch", "Hose", None]
