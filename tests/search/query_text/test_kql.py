from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.kql import kql_words
from tests.search.strategies import reaching


def never(_text: str) -> bool:
    return False


def is_text_field(field: str) -> bool:
    return field not in {"tag", "items"}


@pytest.mark.parametrize(
    ("text", "words", "fielded"),
    [
        ("", "", ""),
        ("leaking hose", "leaking hose", ""),
        ("title: hose and not rusty", "hose", "hose"),
        ("title: garden hose or body: garden hose", "garden hose", "garden hose"),
        ("not (title: old or title: lead) and hose", "hose", ""),
        ("NOT title: (old AND NOT rusty) OR hose", "hose", ""),
        ("tag: diy and hose", "hose", ""),
        ("title: (hose or tap) and tag: (diy or home) and leak", "hose tap leak", "hose tap"),
        ("items: { name: garden* and tag: x } and hose", "garden hose", "garden"),
        ("not items: { name: garden }", "", ""),
        ("year >= 1999 and year < 2004 or hose", "hose", ""),
        ('title: "garden hose" or not "rusty lead"', "garden hose", "garden hose"),
        ('"say \\"hello\\""', 'say "hello"', ""),
        (r"garden\:hose \(old\) \and*", "garden:hose (old) and", ""),
        ("*: hose or title: *", "hose", "hose"),
        ('"tag": diy and "title": hose', "hose", "hose"),
        ("garden title: garden", "garden", "garden"),
        ("hose and hose", "hose", ""),
        ("title: (hose or hose)", "hose", "hose"),
        ("庭: ホース", "ホース", "ホース"),
        # Invalid queries, which Elasticsearch rejects, are not an error here.
        ('"leaking hose', "leaking hose", ""),
        ("title:", "", ""),
        (")) hose ((", "hose", ""),
        ("not", "", ""),
        ("\\", "", ""),
    ],
)
def test_kql(text: str, words: str, fielded: str) -> None:
    assert kql_words(text, is_text_field) == words
    assert kql_words(text, is_text_field, default_field_is_text=False) == fielded


def test_a_text_that_is_not_parsed_loses_its_operators() -> None:
    assert kql_words("hose AND (tap)", is_text_field, parse=never) == "hose tap"
    assert kql_words("hose AND (tap)", is_text_field, default_field_is_text=False, parse=never) == ""


@pytest.mark.parametrize(("size", "words"), [(2000, "hose"), (2001, "diy hose")])
def test_a_text_of_more_characters_than_a_person_types_is_not_parsed(size: int, words: str) -> None:
    assert kql_words("tag:diy and hose".ljust(size), is_text_field).replace(" and ", " ") == words


@given(st.text(st.sampled_from('ab ():{}"\\<>=*notandr\n')) | st.text())
def test_no_text_is_an_error(text: str) -> None:
    words = kql_words(text, is_text_field)
    assert words == " ".join(words.split())


WORDS = st.sampled_from(["leaking", "hose", "tap", "庭", "old-fashioned", "c++"])
PHRASES = st.lists(WORDS, min_size=1, max_size=3, unique=True).map(" ".join)
# Text with the words that remain of it.
PLAIN = WORDS.map(lambda word: (word, {word})) | PHRASES.map(lambda words: (f'"{words}"', set(words.split())))
FIELDED = st.builds(lambda part, field: (f"{field}: {part[0]}", part[1]), PLAIN, st.sampled_from(["title", "body.en"]))
WITHOUT_WORDS = st.sampled_from(
    [("tag: diy", set()), ("year >= 1999", set()), ("not rusty", set()), ('not title: "old lead"', set())]
)
QUERIES = st.recursive(
    PLAIN | FIELDED | WITHOUT_WORDS,
    lambda inner: st.one_of(
        st.builds(
            lambda one, relation, other: (f"({one[0]} {relation} {other[0]})", one[1] | other[1]),
            inner,
            st.sampled_from(["and", "OR"]),
            inner,
        ),
        inner.map(lambda part: (f"not ({part[0]})", set())),
        inner.map(lambda part: (f"items: {{ {part[0]} }}", part[1])),
    ),
    max_leaves=6,
)


@reaching(1.0, PLAIN, QUERIES)
def test_exactly_the_words_of_text_fields_that_are_not_negated_remain(
    plain: tuple[str, set[str]], query: tuple[str, set[str]]
) -> bool:
    expected = plain[1] | query[1]
    assert set(kql_words(f"{query[0]} and {plain[0]}", is_text_field).split()) == expected
    assert set(kql_words(f"{plain[0]} or {query[0]}", is_text_field).split()) == expected
    return bool(expected)


@pytest.mark.timeout(60)  # quadratic time would be hours
@pytest.mark.parametrize("part", ["hose ", "(", "not ", "a:", '"', "\\", "{a:", "a or "])
def test_long_texts_take_no_quadratic_time(part: str) -> None:
    kql_words(part * 50_000, is_text_field)
