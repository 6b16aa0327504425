"""Parts texts into requests that a rerank server takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

# Between English (four bytes a token) and Chinese (three). It need not be right, for the pace is measured in the same.
_BYTES_A_TOKEN = 3.5


def cost(texts: Iterable[str]) -> int:
    """Tell about how many tokens texts have."""
    return sum(int(len(text.encode("utf-8", "replace")) / _BYTES_A_TOKEN) + 1 for text in texts)


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
