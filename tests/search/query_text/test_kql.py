from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.kql import kql_words


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
        ("庭: ホース", "ホース", "ホース"),
        # What Elasticsearch refuses is no error here.
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


@given(st.text(st.sampled_from('ab ():{}"\\<>=*notandr\n')) | st.text())
def test_no_text_is_an_error(text: str) -> None:
    words = kql_words(text, is_text_field)
    assert words == " ".join(words.split())


@pytest.mark.timeout(60)  # what takes time with the square of the length takes hours
@pytest.mark.parametrize("part", ["hose ", "(", "not ", "a:", '"', "\\", "{a:", "a or "])
def test_long_texts_end(part: str) -> None:
    kql_words(part * 50_000, is_text_field)
