from __future__ import annotations

from collections.abc import Sequence

import pytest

from es_rerank.search.fields.choice import choose, is_repeated
from es_rerank.search.fields.statistics import Statistics

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
    assert len(read({f"text{number}": PROSE for number in range(20)})) == 8


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


def prose(words: int, documents: int = ROWS, values: int | None = None) -> list[str]:
    """Return a different text of this many words for each document; only the first *values* documents have one."""
    count = documents if values is None else values
    texts = [" ".join([chr(ord("a") + row) * 3, *["b"] * (words - 1)]) for row in range(count)]
    return texts + [""] * (documents - count)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # Texts of 4, 16 and 64 words are longer than those of 3, 15 and 63.
        ({"x": prose(3), "y": prose(4)}, ["y", "x"]),
        ({"x": prose(4), "y": prose(5)}, ["x", "y"]),
        ({"x": prose(15), "y": prose(16)}, ["y", "x"]),
        ({"x": prose(16), "y": prose(17)}, ["x", "y"]),
        ({"x": prose(63), "y": prose(64)}, ["y", "x"]),
        ({"x": prose(64), "y": prose(65)}, ["x", "y"]),
        # One step of the length is worth 40 % of the documents.
        ({"x": prose(15, 10), "y": prose(16, 10, 7)}, ["y", "x"]),
        ({"x": prose(15, 10), "y": prose(16, 10, 5)}, ["x", "y"]),
        # Each object around a field is worth half of the documents, up to three objects.
        ({"y.z": prose(9), "x": prose(9, 6, 4)}, ["x", "y.z"]),
        ({"y.z": prose(9), "x": prose(9, 6, 2)}, ["y.z", "x"]),
        ({"a.b.c.x": prose(9), "a.b.y": prose(9)}, ["a.b.y", "a.b.c.x"]),
        ({"a.b.c.d.x": prose(9), "a.b.c.y": prose(9)}, ["a.b.c.d.x", "a.b.c.y"]),
        # The rank of a name is worth 1 % of the documents.
        ({"notes": prose(9), "description": prose(9)}, ["description", "notes"]),
        ({"description": prose(15), "notes": prose(16)}, ["notes", "description"]),
        ({"description": prose(15), "original": prose(16)}, ["description", "original"]),
        # The name of a body is worth all documents more than an unknown one; so is that over a label's.
        ({"x": prose(64), "html": prose(6)}, ["html", "x"]),
        ({"notes": prose(6, 10, 1), "x": prose(64, 10)}, ["x", "notes"]),
        ({"status": prose(64), "x": prose(6)}, ["x", "status"]),
        ({"x": prose(6, 10, 5), "status": prose(64, 10)}, ["status", "x"]),
        ({"seo_title": prose(64), "x": prose(6)}, ["x", "seo_title"]),
        ({"x_y": prose(6, 10, 5), "seo_title": prose(64, 10)}, ["seo_title", "x_y"]),
    ],
)
def test_the_order_of_texts_by_length_coverage_depth_and_name(
    columns: dict[str, Sequence[str]], expected: list[str]
) -> None:
    assert read({"title": NAMES if len(next(iter(columns.values()))) == ROWS else prose(2, 10), **columns}) == [
        "title",
        *expected,
    ]


@pytest.mark.parametrize(
    ("columns", "named", "expected"),
    [
        # A second headline is a synopsis; the name of a synopsis is worth all documents more.
        ({"subject": prose(9), "teaser": prose(9)}, [], ["teaser", "subject"]),
        ({"subject": prose(64), "teaser": prose(3)}, [], ["subject", "teaser"]),
        # Prose that the query names, synopses, other prose, phrases that the query names, other phrases.
        ({"x": prose(6), "body": prose(9), "teaser": prose(3), "y": prose(6)}, ["x"], ["x", "teaser", "body", "y"]),
        ({"x": prose(5), "body": prose(9), "teaser": prose(3), "y": prose(5)}, ["x"], ["teaser", "body", "x", "y"]),
        ({"y": prose(5), "x": prose(6)}, [], ["x", "y"]),
        ({"x": prose(5), "y": prose(6, ROWS, 3)}, ["x"], ["y", "x"]),
        ({"x": prose(5), "y": prose(5, ROWS, 3)}, ["y"], ["y", "x"]),
        ({"teaser": prose(6), "summary": prose(9)}, ["teaser"], ["teaser", "summary"]),
        ({"teaser": prose(5), "summary": prose(9)}, ["teaser"], ["summary", "teaser"]),
        # A body is prose, even if it is short, but not if it has only single words.
        ({"x": prose(64), "body": prose(3)}, [], ["body", "x"]),
        ({"x": prose(64), "body": prose(3)}, ["body"], ["body", "x"]),
        ({"body": prose(1), "teaser": prose(64)}, ["body"], ["teaser", "body"]),
    ],
)
def test_the_order_of_sections(columns: dict[str, Sequence[str]], named: list[str], expected: list[str]) -> None:
    assert read({"title": NAMES, **columns}, named) == ["title", *expected]


@pytest.mark.parametrize(("characters", "expected"), [(1500, ["teaser", "desc"]), (1505, ["desc", "teaser"])])
def test_a_synopsis_has_at_most_300_words(characters: int, expected: list[str]) -> None:
    # The first 240 characters have 48 words.
    text = ("aaaa " * 48)[:-1] + "b"
    synopsis = [(text + "c" * characters)[:characters]] * 3
    assert read({"title": NAMES[:3], "teaser": synopsis, "desc": [one * 30 for one in PROSE[:3]]}) == [
        "title",
        *expected,
    ]


@pytest.mark.parametrize(("characters", "expected"), [(250, ["question", "body"]), (251, ["body", "question"])])
def test_a_headline_has_at_most_250_characters(characters: int, expected: list[str]) -> None:
    questions = [(one * 9)[:characters] for one in PROSE]
    assert read({"question": questions, "body": PROSE}, ["body"]) == expected


@pytest.mark.parametrize(
    ("name", "values", "is_read"),
    [
        # Single words are a headline if three fifths of their characters are letters, and never another text.
        ("title", ["abc", "12"], True),
        ("title", ["abc", "123"], False),
        ("x", ["abc", "abc"], False),
        # An average of one and a half words makes a phrase, if a fifth of the characters are words.
        ("x", ["ab cd", "ef"], True),
        ("x", ["ab cd", "ef", "gh"], False),
        ("x", ["ab 12345678"], True),
        ("x", ["ab 123456789"], False),
        # A phrase with the name of a label or of something else is no text, and prose is.
        ("seo_title", prose(5), False),
        ("seo_title", prose(6), True),
        ("status", prose(5), False),
        ("status", prose(6), True),
        # A body is always a text, except for single words.
        ("body", ["ab 123456789"], True),
        ("body", ["a b"] * 5, True),
        ("body", ["ab"], False),
        # Half of five values that repeat make an enumeration.
        ("x", ["a b"] * 5, False),
        ("x", ["a b"] * 4, True),
        ("x", ["a b", "c d", "e f", "a b", "a b", "a b"], False),
        ("x", ["a b", "c d", "e f", "a b", "a b"], True),
        ("title", ["abc"] * 5, False),
        ("title", ["abc"] * 4, True),
    ],
)
def test_what_makes_a_text(name: str, values: list[str], is_read: bool) -> None:
    columns = {"title": NAMES[: len(values)], name: values, "message": prose(9, len(values))}
    assert (name in read(columns)) is is_read


@pytest.mark.parametrize(
    ("documents", "distinct", "expected"),
    [(5, 0.5, True), (5, 0.51, False), (4, 0.25, False), (6, 0.5, True)],
)
def test_few_values_in_five_documents_are_repeated(documents: int, distinct: float, expected: bool) -> None:
    assert is_repeated(Statistics(1.0, documents, 10.0, 2.0, 1.0, distinct)) is expected


TEN = prose(2, 10)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # Four fifths of the documents have a value, and four fifths of the values differ.
        ({"y": prose(9, 10), "x": prose(2, 10, 8)}, ["x", "y"]),
        ({"y": prose(9, 10), "x": prose(2, 10, 7)}, ["y", "x"]),
        ({"y": prose(9, 10), "x": [*TEN[:8], *TEN[:2]]}, ["x", "y"]),
        ({"y": prose(9, 10), "x": [*TEN[:7], *TEN[:3]]}, ["y", "x"]),
        # Another text has more than six words, and more than the headline has.
        ({"y": prose(7, 10), "x": TEN}, ["x", "y"]),
        ({"y": prose(6, 10), "x": TEN}, ["y", "x"]),
        ({"y": prose(9, 10), "x": prose(8, 10)}, ["x", "y"]),
        ({"z": prose(9, 10), "y": prose(9, 10), "x": prose(9, 10)}, ["z", "y", "x"]),
        # A phrase of one and a half words, three fifths of which are letters, and which is not in an object.
        ({"y": prose(9, 10), "x": [one if one in "acegi" else f"{one} b" for one in "abcdefghij"]}, ["x", "y"]),
        ({"y": prose(9, 10), "x": [f"abc {row}4" for row in range(10)]}, ["x", "y"]),
        ({"y": prose(9, 10), "x": [f"abc {row}45" for row in range(10)]}, ["y", "x"]),
        ({"y": prose(9, 10), "x.z": TEN}, ["y", "x.z"]),
        # The name of something else is a headline if it comes with texts, and no other name is.
        ({"y": prose(9, 10), "seo_title": TEN}, ["seo_title", "y"]),
        ({"teaser": prose(9, 10), "lead": TEN}, ["lead", "teaser"]),
        ({"status": prose(7, 10), "y": prose(9, 10)}, ["y", "status"]),
    ],
)
def test_a_text_that_looks_like_a_headline(columns: dict[str, Sequence[str]], expected: list[str]) -> None:
    assert read(columns) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"subject": NAMES, "title": NAMES}, ["subject", "title"]),
        ({"author.page.title": NAMES, "a.title": NAMES, "subject": NAMES}, ["subject", "a.title"]),
    ],
)
def test_of_several_headlines_the_one_in_the_fewest_objects_is_first(
    columns: dict[str, Sequence[str]], expected: list[str]
) -> None:
    assert read({**columns, "body": PROSE})[0] == expected[0]


TORE = [f"Tor {one}" for one in "stuvwxyz"]


@pytest.mark.parametrize(
    ("documents", "query", "is_german"),
    [
        # The first eight words of the query, in the first eight documents that have a value.
        (["", "Schlauch"], "1 2 3 4 5 6 7 schlauch", True),
        (["", "Schlauch"], "1 2 3 4 5 6 7 8 schlauch", False),
        ([*[""] * 5, *TORE[:7], "Schlauch"], "schlauch", True),
        ([*[""] * 5, *TORE, "Schlauch"], "schlauch", False),
        # The first 400 characters of each.
        (["Tor " * 98 + "Schlauch"], "schlauch", True),
        (["Tor " * 98 + " Schlauch"], "schlauch", False),
    ],
)
def test_how_much_is_compared_to_find_the_language_of_the_query(
    documents: list[str], query: str, is_german: bool
) -> None:
    columns = {
        "title_en": [f"Gate {chr(97 + row)}" for row in range(len(documents))],
        "title_de": documents,
        "body": prose(9, len(documents)),
    }
    first = "title_de title_en" if is_german else "title_en title_de"
    assert first in read(columns, query=query)


def test_a_field_without_values_is_read_with_the_values_of_another_language() -> None:
    columns = {"text_en": [""] * ROWS, "text_de": PROSE, "title": NAMES, "sku": CODES}
    assert read(columns, query="absent") == ["title", "text_en text_de"]
