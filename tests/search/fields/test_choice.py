from __future__ import annotations

from collections.abc import Sequence

import pytest

from es_rerank.search.fields.choice import MAX_TEXTS, choose

NUMBERS = ("one", "two", "three", "four", "five", "six")
ROWS = len(NUMBERS)
PROSE = [f"A long text about hose number {word} that says how it is used." for word in NUMBERS]
NAMES = [f"Hose {word}" for word in NUMBERS]
CODES = [f"GH-{number}" for number in range(ROWS)]
ENUM = ["published", "draft", "published", "draft", "published", "published"]
BOILERPLATE = ["All prices include taxes and do not include shipping."] * ROWS


def read(columns: dict[str, Sequence[str]], named: Sequence[str] = (), query: str = "hose") -> list[str]:
    return [" ".join(place) for place in choose(columns, named, query)]


@pytest.mark.parametrize(
    ("columns", "named", "expected"),
    [
        # By name and documents: headline, texts, phrases; no codes, enumerations and boilerplate.
        ({"title": NAMES, "body": PROSE, "sku": CODES, "status": ENUM, "legal": BOILERPLATE}, [], ["title", "body"]),
        ({"body": PROSE, "title": NAMES}, [], ["title", "body"]),
        ({"body": PROSE, "title": NAMES}, ["body"], ["title", "body"]),
        # What the query names comes after the headline, and labels that it names at the end.
        ({"title": NAMES, "body": PROSE, "notes": PROSE[::-1]}, ["notes"], ["title", "notes", "body"]),
        ({"title": NAMES, "body": PROSE, "status": ENUM}, ["status"], ["title", "body", "status"]),
        ({"title": NAMES, "body": PROSE, "sku": CODES}, ["sku"], ["title", "body", "sku"]),
        # Names in other languages: the documents show what they are.
        ({"bezeichnung": NAMES, "langtext": PROSE, "marke": ENUM}, [], ["bezeichnung", "langtext"]),
        ({"langtext": PROSE, "bezeichnung": NAMES, "artikelnr": CODES}, [], ["bezeichnung", "langtext"]),
        ({"company_name": NAMES, "overview": PROSE}, [], ["company_name", "overview"]),
        ({"title": NAMES, "company_name": PROSE, "status": ENUM}, [], ["title", "company_name"]),
        ({"thread_name": [f"http-8080-exec-{row}" for row in range(ROWS)], "message": PROSE}, [], ["message"]),
        ({"user_name": NUMBERS, "message": PROSE}, [], ["message"]),
        ({"store_name": ENUM, "body": PROSE}, [], ["body"]),
        # A headline that is none.
        ({"name": ENUM, "message": PROSE}, [], ["message"]),
        ({"name": CODES, "message": PROSE}, [], ["message"]),
        ({"question": [text * 8 for text in PROSE], "answer": PROSE}, [], ["question", "answer"]),
        # Messages that repeat are texts.
        ({"message": [PROSE[0]] * ROWS, "host": ENUM}, [], ["message"]),
        # Nothing but labels: better than nothing.
        ({"status": ENUM, "sku": CODES}, [], ["status", "sku"]),
        ({"status": [""] * ROWS}, [], []),
        ({"title": [""] * ROWS, "body": PROSE}, [], ["body"]),
    ],
)
def test_fields_are_chosen_by_the_documents(
    columns: dict[str, Sequence[str]], named: list[str], expected: list[str]
) -> None:
    assert read(columns, named) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # The name says more than the length does, and the length more than the order in the mapping.
        ({"body": PROSE}, {"x": [f"{text} " * 5 for text in PROSE]}),
        ({"x": [f"{text} " * 5 for text in PROSE]}, {"y": PROSE}),
        ({"x": PROSE}, {"y": [PROSE[0], *[""] * (ROWS - 1)]}),
        ({"x": PROSE}, {"comments.y": PROSE}),
    ],
)
def test_the_main_text_comes_before_other_prose(first: dict[str, list[str]], second: dict[str, list[str]]) -> None:
    expected = ["title", *first, *second]
    assert read({"title": NAMES, **first, **second}) == read({"title": NAMES, **second, **first}) == expected


def test_two_documents_are_not_enough_for_an_enumeration() -> None:
    assert read({"mood": ["rarely asked", "rarely asked"], "body": PROSE[:2]}) == ["body", "mood"]


def test_at_most_eight_texts_are_read() -> None:
    assert len(read({f"text{number}": PROSE for number in range(20)})) == MAX_TEXTS


@pytest.mark.parametrize(
    ("named", "query", "expected"),
    [
        ([], "Schlauch", "title_de title_en"),
        ([], "hose", "title_en title_de"),
        ([], "absent", "title_de title_en"),
        (["title_en"], "Schlauch", "title_en title_de"),
    ],
)
def test_of_several_languages_the_one_of_the_query_is_read(named: list[str], query: str, expected: str) -> None:
    columns = {
        "title_de": ["Ein Schlauch für den Garten"] * 3 + [""],
        "title_en": ["A hose for the garden"] * 4,
        "body": PROSE[:4],
    }
    assert read(columns, named, query)[0] == expected
