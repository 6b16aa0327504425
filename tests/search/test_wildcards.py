from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.wildcards import matches

NAMES = st.text(st.sampled_from("ab.*?["), max_size=8)


@given(NAMES, NAMES)
def test_only_the_asterisk_is_special(name: str, pattern: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(name, pattern) is bool(re.fullmatch(expression, name, re.DOTALL))


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("title", "title", True),
        ("title", "t*e", True),
        ("aba", "ab*ba", False),
        ("abba", "ab*ba", True),
        ("abcab", "*ab*ab", True),
        ("abab", "*aba*ab*", False),
        ("axb", "a**b", True),
        ("ax", "a**b", False),
        ("", "*", True),
        ("", "", True),
        ("a", "", False),
        ("a?", "a?", True),
        ("ab", "a?", False),
    ],
)
def test_matches(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, pattern) is expected


class Counted(str):
    """A name that counts how often it is searched."""

    __slots__ = ()
    searches = 0

    def find(self, *arguments: object) -> int:
        Counted.searches += 1
        return str.find(self, *arguments)  # type: ignore[arg-type]


def test_a_pattern_of_thousands_of_wildcards_is_compared_no_further_than_the_name() -> None:
    Counted.searches = 0
    assert not matches(Counted("a" * 10 + "b"), "*a" * 4000 + "*b")
    assert Counted.searches <= 12
