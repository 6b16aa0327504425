from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.batching import batches


@pytest.mark.parametrize(
    ("tokens", "max_texts", "max_tokens", "expected"),
    [
        ([], 2, 100, []),
        ([1, 1, 1], 2, 100, [slice(0, 2), slice(2, 3)]),
        ([1] * 7, 3, 100, [slice(0, 3), slice(3, 6), slice(6, 7)]),
        ([11, 11, 11], 9, 22, [slice(0, 2), slice(2, 3)]),
        ([11, 11, 11], 9, 21, [slice(0, 1), slice(1, 2), slice(2, 3)]),
        ([11, 11, 11, 11], 9, 22, [slice(0, 2), slice(2, 4)]),
        ([101, 1, 101], 9, 20, [slice(0, 1), slice(1, 2), slice(2, 3)]),
        ([5, 5, 20, 5, 5], 9, 20, [slice(0, 2), slice(2, 3), slice(3, 5)]),
    ],
)
def test_batches(tokens: list[int], max_texts: int, max_tokens: int, expected: list[slice]) -> None:
    assert list(batches(tokens, max_texts, max_tokens)) == expected


@given(st.lists(st.integers(1, 40), max_size=40), st.integers(1, 9), st.integers(1, 60))
def test_every_text_is_in_one_batch_in_its_order(tokens: list[int], max_texts: int, max_tokens: int) -> None:
    parts = [tokens[part] for part in batches(tokens, max_texts, max_tokens)]
    assert [count for part in parts for count in part] == tokens
    assert all(len(part) == 1 or (len(part) <= max_texts and sum(part) <= max_tokens) for part in parts)
    assert all(parts)
