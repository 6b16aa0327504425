"""Splits the texts of a search into requests within the limits of a rerank server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(tokens: Sequence[int], max_texts: int, max_tokens: int) -> Iterator[slice]:
    """Split texts into consecutive requests; a text above the limit gets a request of its own.

    Args:
        tokens: The approximate tokens of each text.
        max_texts: How many texts one request may have.
        max_tokens: How many tokens its texts may have together.

    Yields:
        The texts of each request, in order.

    """
    start, total = 0, 0
    for index, count in enumerate(tokens):
        if index > start and (index - start >= max_texts or total + count > max_tokens):
            yield slice(start, index)
            start, total = index, 0
        total += count
    if tokens:
        yield slice(start, len(tokens))
