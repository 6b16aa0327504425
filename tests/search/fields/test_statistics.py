from __future__ import annotations

import pytest

from es_rerank.search.fields.statistics import Statistics, statistics


def test_statistics_of_the_values_of_a_field() -> None:
    seen = statistics(["A red hose.", "A red hose.", "Order 66 is late"], 6)
    assert seen == Statistics(
        coverage=0.5, documents=3, characters=pytest.approx(38 / 3), words=10 / 3, natural=29 / 31, distinct=2 / 3
    )


@pytest.mark.parametrize(
    ("value", "words", "natural"),
    [
        ("The pump, which leaks, isn't new!", 6, 1.0),
        ("«Où est la “rivière”?»", 4, 1.0),
        ("web-01", 1, 0.0),
        ("7d9f0a52-2a3e-4c62-9a06-1c5c0f7f4e11", 1, 0.0),
        ("https://shop.example/p/1", 1, 0.0),
        ("ann@shop.example", 1, 0.0),
        ("2024-05-01 10:00", 2, 0.0),
        ("published", 1, 1.0),
        ("a", 1, 1.0),
        ("漏水软管怎么修。", 5, 1.0),
        (" \n", 3, 0.0),
        ("看護師として入院患者の世話をし、新人の教育にも携わります。", 15.5, 1.0),
    ],
)
def test_words_and_the_share_of_natural_words(value: str, words: float, natural: float) -> None:
    seen = statistics([value], 1)
    assert (seen.words, seen.natural) == (pytest.approx(words), pytest.approx(natural))


def test_the_words_of_long_values_are_estimated_from_their_start() -> None:
    assert statistics(["hose " * 2000], 1).words == pytest.approx(2000, rel=0.03)
    assert statistics(["hose " * 2000 for _ in range(50)], 50).words == pytest.approx(2000, rel=0.03)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        # Of each value, 240 characters are counted, and the rest is estimated from the mean length.
        (["a " * 119 + "bb"], 120.0),
        (["a " * 120 + "b"], 121 * 241 / 240),
        (["a " * 119 + "bb"] * 2, 120.0),
        (["a " * 119 + "bb", "a " * 120 + "b"], 241 * 240.5 / 481),
        # Only the first eight values are counted.
        (["a b"] * 8 + ["a b c d"], 2.0),
        (["a b"] * 7 + ["a b c d"], 18 / 8),
    ],
)
def test_how_much_of_the_values_is_counted(values: list[str], words: float) -> None:
    assert statistics(values, len(values)).words == pytest.approx(words, rel=1e-12)
