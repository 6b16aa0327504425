"""Splits a search's texts into batches that fit the request limits of a rerank server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(tokens: Sequence[int], max_texts: int, max_tokens: int) -> Iterator[slice]:
    """Split a list of texts into consecutive batches. A text that exceeds *max_tokens* becomes a batch of its own.

    Args:
        tokens: The approximate number of tokens of each text.
        max_texts: Maximum number of texts per batch.
        max_tokens: Maximum total number of tokens per batch.

    Yields:
        The slice of the list for each batch.

    """
    start, total = 0, 0
    for index, count in enumerate(tokens):
        if index > start and (index - start >= max_texts or total + count > max_tokens):
            yield slice(start, index)
            start, total = index, 0
        total += count
    if tokens:
        yield slice(start, len(tokens))
