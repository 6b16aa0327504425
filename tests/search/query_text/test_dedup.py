from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.query_text.dedup import fold, merge_texts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Garden  Hose", "garden hose"),
        ("“garden hose”", "garden hose"),
        ("(garden) hose?", "garden hose"),
        ("hoses", "hose"),
        ("batteries", "battery"),
        ("glasses", "glass"),
        ("café Ångström", "cafe angstrom"),
        ("ＡＢＣ", "abc"),
    ],
)
def test_texts_that_are_equal_when_folded(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("c++", "c#"), ("-5", "5"), ("hose", "hosepipe"), ("bus", "bu"), ("かき", "かぎ"), ("garden hose", "gardenhose")],
)
def test_texts_that_are_different_when_folded(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ""),
        ([""], ""),
        (["?!"], "?!"),
        ([" garden \n hose "], "garden hose"),
        (["garden hose", "garden hose", "garden"], "garden hose"),
        (["hose", "garden", "garden hose"], "garden hose"),
        (["hose", "hosepipe tap"], "hose hosepipe tap"),
        (["hose garden", "garden hose"], "hose garden"),
        (["mend", "garden", "hose", "mend garden", "garden hose"], "mend garden hose"),
        (["garden hose", "leaking tap", "hose tap"], "garden hose leaking tap"),
        (["garden", "hose pipe", "old garden"], "hose pipe old garden"),
        (["how do I mend a hose?", "mend hose"], "how do I mend a hose?"),
        (["garden hoses", "garden hose"], "garden hoses"),
        (["knock knock", "knock"], "knock knock"),
        (["garden hose", "hose garden", "tap"], "garden hose tap"),
        (["庭のホース", "ホース"], "庭のホース"),
        (["ホース", "庭の"], "ホース 庭の"),
        (["정원 호스", "정원"], "정원 호스"),
        (["สายยางรดน้ำ", "สายยาง"], "สายยางรดน้ำ"),
    ],
)
def test_merged(texts: list[str], expected: str) -> None:
    assert merge_texts(texts) == expected


@pytest.mark.parametrize(("count", "first"), [(64, "word1 hose"), (65, "hose word1 hose")])
def test_only_a_few_texts_are_compared_in_pairs(count: int, first: str) -> None:
    texts = ["hose", *(f"word{number} hose" for number in range(1, count))]
    assert merge_texts(texts).startswith(first)


def test_the_first_of_texts_with_all_words_is_the_result() -> None:
    assert merge_texts(["hose", "Hose, garden", "garden hose", "garden"]) == "Hose, garden"


@given(st.lists(st.text(st.sampled_from('ab庭ホ éS!" ')) | st.text()))
def test_no_word_is_lost_and_none_is_made(texts: list[str]) -> None:
    merged = merge_texts(texts)
    assert merged == " ".join(merged.split())
    assert merge_texts([merged]) == merged
    folded = fold(merged)
    assert all(word in folded for text in texts for word in fold(text).split())
    assert set(merged.split()) <= {word for text in texts for word in text.split()}


@pytest.mark.timeout(60)  # quadratic time would be hours
def test_many_texts_take_no_quadratic_time() -> None:
    merge_texts([f"{number} word" for number in range(20_000)])
    merge_texts(["word " * 200_000])
