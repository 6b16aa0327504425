from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.batching import batches, cost


@pytest.mark.parametrize(
    ("lengths", "most", "tokens", "expected"),
    [
        ([], 2, 100, []),
        ([1, 1, 1], 2, 100, [2, 1]),
        ([35, 35, 35], 9, 22, [2, 1]),
        ([350, 1, 350], 9, 20, [1, 1, 1]),
    ],
)
def test_batches(lengths: list[int], most: int, tokens: int, expected: list[int]) -> None:
    texts = ["a" * length for length in lengths]
    assert [len(texts[part]) for part in batches(texts, most, tokens)] == expected


@given(st.lists(st.text(max_size=40), max_size=40), st.integers(1, 9), st.integers(1, 60))
def test_every_text_is_in_one_batch_in_its_order(texts: list[str], most: int, tokens: int) -> None:
    parts = [texts[part] for part in batches(texts, most, tokens)]
    assert [text for part in parts for text in part] == texts
    assert all(len(part) == 1 or (len(part) <= most and cost(part) <= tokens) for part in parts)
    assert all(parts)
