"""Chooses the passages of long documents to score, if all of them together exceed the token budget of a search."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from es_rerank.rerank.chunking import Cut

Position = tuple[int, int]
"""Index of a document, and index of a passage in that document, both from 0."""
Shared = Sequence[frozenset[str]]
"""For each passage of a document, the words that it shares with the query."""

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]{2}|\w+")


def all_passages(cuts: Sequence[Cut | None]) -> list[Sequence[int]]:
    """Return, for each document, the numbers of all its passages. A document that is not split has one passage."""
    return [range(len(cut.pieces)) if cut else range(1) for cut in cuts]


def later_tokens(cuts: Sequence[Cut | None]) -> int:
    """Return the total estimated length of all passages except the first one of each document, in tokens."""
    return sum(piece.tokens for cut in cuts if cut for piece in cut.pieces[1:])


def shared_words(documents: Iterable[tuple[str, Cut]], query: str) -> list[Shared]:
    """Return, for each passage of each document, the words that it shares with the query.

    The set of a document's first passage is empty, because first passages are always chosen.

    Args:
        documents: The text of each document, and the positions of its passages.
        query: The query text.

    """
    query_words = _words(query)
    return [
        [
            query_words & _words(text[piece.start : piece.end]) if number else frozenset()
            for number, piece in enumerate(pieces)
        ]
        for text, (pieces, _) in documents
    ]


def affordable(cuts: Sequence[Cut | None], shared: Iterable[Shared], budget: int) -> list[Sequence[int]]:
    """Choose passages within a token budget. Passages that share the rarest words with the query are preferred.

    Args:
        cuts: The passages of each document; None for a document that is not split.
        shared: For each document that is split, the words that its passages share with the query.
        budget: Maximum total length of all passages but the first of each document, in tokens. First passages are
            always chosen.

    Returns:
        For each document, the numbers of its chosen passages in ascending order.

    """
    documents = [document for document, cut in enumerate(cuts) if cut]
    later = {
        (document, number): words
        for document, passages in zip(documents, shared, strict=True)
        for number, words in enumerate(passages)
        if number
    }
    chosen = _within_budget(cuts, later, budget)
    return [
        [number for number in numbers if not number or (document, number) in chosen]
        for document, numbers in enumerate(all_passages(cuts))
    ]


def _within_budget(cuts: Sequence[Cut | None], shared: Mapping[Position, frozenset[str]], budget: int) -> set[Position]:
    """Choose passages up to *budget* tokens. Passages that share the rarest words with the query come first."""
    frequency = Counter(chain.from_iterable(shared.values()))
    chosen = set()
    for document, number in sorted(shared, key=lambda one: -sum(1 / frequency[word] for word in shared[one])):
        cut = cuts[document]
        budget -= cut.pieces[number].tokens if cut else 0
        if budget < 0:
            break
        chosen.add((document, number))
    return chosen


def _words(text: str) -> frozenset[str]:
    """Return the set of case-folded words of a text. In CJK text, each pair of characters is a word."""
    return frozenset(word.casefold() for word in _WORD.findall(text))
