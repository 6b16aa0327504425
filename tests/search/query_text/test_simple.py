from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.simple import ALL, Flag, _Scanner, read_flags, simple_words
from tests.search.strategies import reaching


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("garden hose", "garden hose"),
        ("  garden \n hose ", "garden hose"),
        ("+garden +hose", "garden hose"),
        ("garden + hose", "garden hose"),
        ("garden | hose", "garden hose"),
        ("garden|hose", "garden hose"),
        ("garden -rusty hose", "garden hose"),
        ("garden --hose", "garden hose"),
        ("garden - hose", "garden hose"),
        ("well-known hose", "well-known hose"),
        ('"garden hose" reel', "garden hose reel"),
        ('"garden hose"~2 reel', "garden hose reel"),
        ('-"old lead" pipe', "pipe"),
        ('"never closed hose', "never closed hose"),
        ("(garden (hose)) reel", "garden hose reel"),
        ("-(garden (hose)) reel", "reel"),
        ("-(garden hose", "garden hose"),
        ("garden) hose", "garden hose"),
        ("gard* hose", "gard hose"),
        ("*", ""),
        ("hoze~1 gardn~", "hoze gardn"),
        ("about ~5 metres", "about ~5 metres"),
        (r"\-5 degrees", "-5 degrees"),
        (r"a\*", "a*"),
        (r"\(garden\)", "(garden)"),
        (r'"say \"hose\" now"', 'say "hose" now'),
        (r'"say -hose\"" reel', 'say -hose" reel'),
        ("leaking + hose | tap", "leaking hose tap"),
        ('"garden hose"~2 leak~1 ta*', "garden hose leak ta"),
        ('hose -rusty -(old lead) -"brass tap" state-of-the-art', "hose state-of-the-art"),
        (r"1\+1 \-5 c\*", "1+1 -5 c*"),
        # A quotation mark that is not closed is no operator.
        ('-"open', "open"),
        # What people type that is no operator.
        ("c++ hose", "c++ hose"),
        ("a+b=c", "a+b=c"),
        ("c++", "c++"),
        ("2*3 metres", "2*3 metres"),
        ("-a+b", "b"),
        ("AND or NOT", "AND or NOT"),
        ("title:hose", "title:hose"),
        ("", ""),
    ],
)
def test_simple_query_strings_are_reduced_to_words(text: str, expected: str) -> None:
    assert simple_words(text) == expected


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        ("-5 degrees", "NONE", "-5 degrees"),
        ('"a" | (b) c*~ \\d', "NONE", '"a" | (b) c*~ \\d'),
        ("-5 +degrees", "AND|WHITESPACE", "-5 degrees"),
        ("-rusty +hose", "NOT|WHITESPACE", "+hose"),
        ("red -rusty", "NOT", "red -rusty"),
        ("hose* reel~1", "PREFIX|WHITESPACE", "hose reel~1"),
        ("hose* reel~1", "FUZZY|WHITESPACE", "hose* reel"),
        ('"garden hose"~3 (reel)', "PHRASE|WHITESPACE", "garden hose ~3 (reel)"),
        ('"garden hose"~3 (reel)', "PHRASE|SLOP|WHITESPACE", "garden hose (reel)"),
        ("(garden hose) reel", "PRECEDENCE|WHITESPACE", "garden hose reel"),
        (r"\-5", "NOT|WHITESPACE", r"\-5"),
        ("garden | hose", "OR|WHITESPACE", "garden hose"),
        ("garden | hose", "AND|WHITESPACE", "garden | hose"),
        ("garden + hose", "OR|WHITESPACE", "garden + hose"),
        ('+"garden hose"', "AND|WHITESPACE", '"garden hose"'),
        (r"a\|b", "OR|WHITESPACE", r"a\ b"),
        (r"a\|b", "OR|ESCAPE|WHITESPACE", "a|b"),
        (r"-(old \) lead) pipe", "NOT|PRECEDENCE|WHITESPACE", "lead pipe"),
        (r"-(old \) lead) pipe", "NOT|PRECEDENCE|ESCAPE|WHITESPACE", "pipe"),
        (r'"say \" now" -"old \" lead"', "NOT|PHRASE|WHITESPACE", r"say \ now - old \ lead"),
        (r"a\* b*", "PREFIX|WHITESPACE", r"a\ b"),
        (r"a\* b*", "PREFIX|ESCAPE|WHITESPACE", "a* b"),
        ("-(old lead) pipe", "NOT|WHITESPACE", "lead) pipe"),
    ],
)
def test_only_the_operators_of_the_flags_count(text: str, flags: str, expected: str) -> None:
    assert simple_words(text, read_flags(flags)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ALL),
        ("", ALL),
        ("ALL", ALL),
        ("NONE", Flag(0)),
        ("and | Not", Flag.AND | Flag.NOT),
        ("AND|NONE", Flag(0)),
        ("NEAR", Flag.NEAR),
        ("unknown", ALL),
        (-1, ALL),
        (0, Flag(0)),
        (3, Flag.AND | Flag.NOT),
        (10**9, Flag(10**9 & int(ALL))),
        (True, ALL),
        ([], ALL),
    ],
)
def test_flags_are_names_or_a_number(value: Any, expected: Flag) -> None:
    assert read_flags(value) == expected


@given(st.text(alphabet='ab \\"+-|()*~1'), st.integers(0, 1023))
def test_any_text_with_any_flags_has_words(text: str, flags: int) -> None:
    words = simple_words(text, Flag(flags))
    assert words == " ".join(words.split())


@pytest.mark.parametrize("part", ["-(", '-"', '\\"', "(", "-", "a~", "+("])
def test_the_work_grows_with_the_length(part: str) -> None:
    # A quadratic scan would need minutes for these.
    assert list(_Scanner(part * 100_000, ALL).words()) is not None


def test_a_text_that_is_not_parsed_loses_its_operators() -> None:
    assert simple_words("red +(hose) -rusty", parse=False) == "red hose"
    assert simple_words("-5 degrees", Flag(0), parse=False) == "-5 degrees"
    assert simple_words("c++ " * 501) == " ".join(["c"] * 501)
    assert simple_words("c++ " * 500) == " ".join(["c++"] * 500)


WORDS = st.sampled_from(["leaking", "hose", "tap", "庭", "old-fashioned", "café"])
PHRASES = st.lists(WORDS, min_size=1, max_size=3, unique=True).map(" ".join)
# Parts of a query, with the words that remain of them.
SIMPLE = st.lists(
    st.one_of(
        WORDS.map(lambda word: (word, {word})),
        PHRASES.map(lambda words: (f'"{words}"', set(words.split()))),
        WORDS.map(lambda word: (f"{word}~1", {word})),
        WORDS.map(lambda word: (f"({word} | tap*)", {word, "tap"})),
        WORDS.map(lambda word: (f"-{word}", set())),
        PHRASES.map(lambda words: (f'-"{words}"', set())),
        st.just(("-(rusty lead)", set())),
    ),
    min_size=1,
    max_size=4,
).map(lambda parts: (" + ".join(text for text, _ in parts), set().union(*(words for _, words in parts))))


@reaching(0.5, SIMPLE)
def test_exactly_the_words_of_a_simple_query_that_are_not_excluded_remain(query: tuple[str, set[str]]) -> bool:
    text, expected = query
    assert set(simple_words(text).split()) == expected
    return bool(expected) and text not in expected
