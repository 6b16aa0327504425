from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.lucene import lucene_words, simple_words, unescape, wildcard_words


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
        # What cannot be parsed is stripped of operators and of what looks like a field name.
        ('title:"garden hose', "garden hose"),
        ('leaking "hose', "leaking hose"),
        ("(leaking hose", "leaking hose"),
        ("leaking hose AND", "leaking hose"),
        ("leaking) -rusty hose", "leaking hose"),
        ("hose^1.2.3", "hose 1.2.3"),
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
def test_lucene_whose_default_field_holds_no_words(text: str, words: str) -> None:
    assert lucene_words(text, is_text_field, default_field_is_text=False) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [("*hose*", "hose"), ("gard?n hose", "gard n hose"), (r"a\*b\\c*", "a*b\\c"), ("*", ""), ("", "")],
)
def test_wildcards(text: str, words: str) -> None:
    assert wildcard_words(text) == words


def test_unescape() -> None:
    assert unescape(r"a\:b\\c\ ") == "a:b\\c "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("leaking + hose | tap", "leaking hose tap"),
        ('"garden hose"~2 leak~1 ta*', "garden hose leak ta"),
        ('hose -rusty -(old lead) -"brass tap" state-of-the-art', "hose state-of-the-art"),
        (r"1\+1 \-5 c\*", "1+1 -5 c*"),
        ('-"open', ""),
    ],
)
def test_simple(text: str, words: str) -> None:
    assert simple_words(text) == words


SYNTAX = st.text(st.sampled_from('ab1 +-!(){}[]^"~*?:\\/<>=|&.TOANDR\n')) | st.text()


@given(SYNTAX)
def test_no_text_is_an_error(text: str) -> None:
    for words in (lucene_words(text, is_text_field), lucene_words(text, lambda _: False), simple_words(text)):
        assert words == " ".join(words.split())


@pytest.mark.timeout(60)  # what takes time with the square of the length takes hours
@pytest.mark.parametrize("part", ["hose ", "-(", '-"', "a:", "((", "+", "\\", "~1", "a -"])
def test_long_texts_end(part: str) -> None:
    lucene_words(part * 50_000, is_text_field)
    simple_words(part * 50_000)
