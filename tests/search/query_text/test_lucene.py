from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import luqum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ply import yacc

from es_rerank.search.query_text.lucene import _parser, lucene_words, unescape, wildcard_words
from tests.search.strategies import reaching


def never(_text: str) -> bool:
    return False


def is_text_field(field: str) -> bool:
    return field != "tag"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("leaking hose", "leaking hose"),
        ("leaking AND (garden OR hose)", "leaking garden hose"),
        ("+leaking -rusty NOT old hose", "leaking hose"),
        ('"garden hose"~3^2 leak~1 tap^4', "garden hose leak tap"),
        ("title:(leaking hose) tag:diy", "leaking hose"),
        ("year:[1999 TO 2004} OR price:>=10 hose", "hose"),
        ("name:/ho[sz]e/ tap", "tap"),
        ("lea*ing ho?e *", "lea ing ho e"),
        (r"garden\-hose \(1\/2\"\) && leak", 'garden-hose (1/2") leak'),
        ('"say \\"hello\\""', 'say "hello"'),
        ("庭の ホース", "庭の ホース"),
        ("title:(garden hose) OR body:(garden hose)^2", "garden hose"),
        ("(garden* AND hose*) OR (title:garden AND title:hose)", "garden hose"),
        ('(leak^0.3) (garden^0.4) (hose^0.3) "leak garden"^0.7 "garden hose"^0.7', "leak garden hose"),
        ("garden~ +hose~2", "garden hose"),
        ("knock knock", "knock knock"),
        ("state-of-the-art hose", "state-of-the-art hose"),
        ("_exists_:title hose", "hose"),
        ("ta\\g:diy meta.\\*:hose", "hose"),
        ("hose && !rusty", "hose"),
        ("wow !!!", "wow !!!"),
        (r"a\*b", "a*b"),
        ("*:*", ""),
        # A text that cannot be parsed loses its operators and what looks like a field name.
        ('title:"garden hose', "garden hose"),
        ('leaking "hose', "leaking hose"),
        ("(leaking hose", "leaking hose"),
        ("leaking hose AND", "leaking hose"),
        ("leaking) -rusty hose", "leaking hose"),
        ("hose^1.2.3", "hose 1.2.3"),
        ('"garden hose"~1.5', "garden hose 1.5"),
        ("&& || ! + -", ""),
        ("(" * 2000 + "hose" + ")" * 2000, "hose"),
        ("((((" * 200 + "hose" + "))))" * 200, "hose"),
    ],
)
def test_lucene(text: str, words: str) -> None:
    assert lucene_words(text, is_text_field) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hose", ""),
        ("hose AND tap~", ""),
        ("AB-12 title:hose tap", "hose"),
        ("tag:diy body:(garden hose)", "garden hose"),
        ('"hose', ""),
    ],
)
def test_lucene_with_a_default_field_that_is_not_a_text_field(text: str, words: str) -> None:
    assert lucene_words(text, is_text_field, default_field_is_text=False) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [("*hose*", "hose"), ("gard?n hose", "gard n hose"), (r"a\*b\\c*", "a*b\\c"), ("*", ""), ("", "")],
)
def test_wildcards(text: str, words: str) -> None:
    assert wildcard_words(text) == words


def test_unescape() -> None:
    assert unescape(r"a\:b\\c\ ") == "a:b\\c "


WORDS = st.sampled_from(["leaking", "hose", "tap", "庭", "old-fashioned", "café"])
PHRASES = st.lists(WORDS, min_size=1, max_size=3, unique=True).map(" ".join)
# Text with the words that remain of it.
PLAIN = WORDS.map(lambda word: (word, {word})) | PHRASES.map(lambda words: (f'"{words}"', set(words.split())))
DECORATED = st.builds(
    lambda part, form: (form.format(part[0]), part[1]),
    PLAIN,
    st.sampled_from(["+{}", "{}^2", "{}~1", "title:{}", "body.en:({})", "{} year:[1999 TO 2004]", "{} _exists_:title"]),
)
WITHOUT_WORDS = st.sampled_from([("tag:diy", set()), ("price:>=10", set()), ("name:/ho[sz]e/", set())])
QUERIES = st.recursive(
    PLAIN | DECORATED | WITHOUT_WORDS,
    lambda inner: st.one_of(
        st.builds(
            lambda one, relation, other: (f"({one[0]} {relation} {other[0]})", one[1] | other[1]),
            inner,
            st.sampled_from(["AND", "OR", "&&", "||", ""]),
            inner,
        ),
        inner.map(lambda part: (f"(hose AND NOT ({part[0]}))", {"hose"})),
        inner.map(lambda part: (f"(hose -({part[0]}))", {"hose"})),
    ),
    max_leaves=5,
)


@reaching(1.0, PLAIN, QUERIES)
def test_exactly_the_words_of_text_fields_that_are_not_excluded_remain(
    plain: tuple[str, set[str]], query: tuple[str, set[str]]
) -> bool:
    expected = plain[1] | query[1]
    assert set(lucene_words(f"{query[0]} AND {plain[0]}", is_text_field).split()) == expected
    assert set(lucene_words(f"{plain[0]} OR ({query[0]})", is_text_field).split()) == expected
    return bool(expected)


SYNTAX = st.text(st.sampled_from('ab1 +-!(){}[]^"~*?:\\/<>=|&.TOANDR\n')) | st.text()


@given(SYNTAX)
def test_no_text_is_an_error(text: str) -> None:
    for words in (lucene_words(text, is_text_field), lucene_words(text, lambda _: False)):
        assert words == " ".join(words.split())


@pytest.mark.parametrize(("size", "words"), [(2000, "hose"), (2001, "diy hose")])
def test_a_text_of_more_characters_than_a_person_types_is_not_parsed(size: int, words: str) -> None:
    assert lucene_words("tag:diy AND hose".ljust(size), is_text_field) == words


def test_a_text_that_is_not_parsed_loses_its_operators() -> None:
    assert lucene_words("tag:diy AND hose", is_text_field, parse=never) == "diy hose"


def at_depth(frames: int, call: Callable[[], str]) -> str:
    return at_depth(frames - 1, call) if frames else call()


@pytest.mark.parametrize(("brackets", "words"), [(148, ""), (149, "diy")])
def test_a_text_of_more_tokens_than_a_search_may_have_loses_its_operators_instead(brackets: int, words: str) -> None:
    """Only the parser knows that the value of `tag` is no text; the fallback keeps it."""
    text = "(" * brackets + "tag:diy" + ")" * brackets
    assert lucene_words(text, is_text_field) == words
    assert at_depth(300, lambda: lucene_words(text, is_text_field)) == words
    assert at_depth(300, lambda: lucene_words(text, is_text_field, default_field_is_text=False)) == ""


@pytest.mark.parametrize("nested", ["NOT ", "+", "f:(", "("])
def test_operators_as_deep_as_a_search_may_have_them_are_read_wherever_they_are_called_from(nested: str) -> None:
    text = nested * 99 + "a" + ")" * (99 * nested.count("("))
    assert at_depth(300, lambda: lucene_words(text, is_text_field)) == lucene_words(text, is_text_field)


@pytest.mark.timeout(60)  # quadratic time would be hours
@pytest.mark.parametrize("part", ["hose ", "-(", '-"', "a:", "((", "+", "\\", "~1", "a -"])
def test_long_texts_take_no_quadratic_time(part: str) -> None:
    lucene_words(part * 50_000, is_text_field)


def test_the_parser_is_created_without_writing_files(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def generate(**options: Any) -> SimpleNamespace:
        calls.append(options)
        return SimpleNamespace(parse=None, made=True)

    monkeypatch.setattr(luqum, "parser", None, raising=False)
    monkeypatch.delitem(sys.modules, "luqum.parser", raising=False)
    monkeypatch.setattr(yacc, "yacc", generate)
    assert _parser().made
    assert [(one["debug"], one["write_tables"], type(one["errorlog"])) for one in calls] == [
        (False, False, yacc.NullLogger)
    ]
    assert yacc.yacc is generate
