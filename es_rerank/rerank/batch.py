"""Parts texts into requests that a rerank server takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from es_rerank.rerank.pace import cost


def batches(texts: Sequence[str], most: int, tokens: int) -> Iterator[slice]:
    """Part texts into runs of at most *most* texts and about so many *tokens*; a text that is longer goes alone."""
    start, spent = 0, 0
    for at, text in enumerate(texts):
        needed = cost([text])
        if at > start and (at - start >= most or spent + needed > tokens):
            yield slice(start, at)
            start, spent = at, 0
        spent += needed
    if texts:
        yield slice(start, len(texts))
