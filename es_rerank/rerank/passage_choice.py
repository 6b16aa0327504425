"""Chooses which passages of long documents are scored if all of them together exceed the token budget of a search."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from es_rerank.rerank.chunking import Cut, Piece

Position = tuple[int, int]
"""Index of a document, and index of a passage in that document, both from 0."""

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]{2}|\w+")


def all_passages(cuts: Sequence[Cut | None]) -> list[Sequence[int]]:
    """Return the numbers of all passages of each document; a document that is not cut has one."""
    return [range(len(cut.pieces)) if cut else range(1) for cut in cuts]


def later_tokens(cuts: Sequence[Cut | None]) -> int:
    """Return the total estimated length of all passages but the first of each document, in tokens."""
    return sum(piece.tokens for cut in cuts if cut for piece in cut.pieces[1:])


def affordable(cuts: Sequence[Cut | None], texts: Sequence[str | None], query: str, budget: int) -> list[Sequence[int]]:
    """Choose passages within a token budget: those that share the rarest words with the query.

    Args:
        cuts: The passages of each document; None for a document that is not cut.
        texts: The text of each document; None for a document that is not cut.
        query: The query text.
        budget: Maximum total length of all passages but the first of each document, in tokens. First passages are
            always chosen.

    Returns:
        For each document, the numbers of its chosen passages in ascending order.

    """
    later = {
        (document, number): piece
        for document, cut in enumerate(cuts)
        if cut
        for number, piece in enumerate(cut.pieces)
        if number
    }
    shown = {place: (texts[place[0]] or "")[piece.start : piece.end] for place, piece in later.items()}
    chosen = _within_budget(later, shown, query, budget)
    return [
        [number for number in numbers if not number or (document, number) in chosen]
        for document, numbers in enumerate(all_passages(cuts))
    ]


def _within_budget(
    later: Mapping[Position, Piece], shown: Mapping[Position, str], query: str, budget: int
) -> set[Position]:
    """Choose passages until *budget* tokens are used, those that share the rarest words with the query first."""
    query_words = _words(query)
    shared = {position: query_words & _words(text) for position, text in shown.items()}
    frequency = Counter(chain.from_iterable(shared.values()))
    chosen = set()
    for position in sorted(later, key=lambda one: -sum(1 / frequency[word] for word in shared[one])):
        budget -= later[position].tokens
        if budget < 0:
            break
        chosen.add(position)
    return chosen


def _words(text: str) -> set[str]:
    """Return the set of case-folded words of a text; in CJK text, pairs of characters."""
    return {word.casefold() for word in _WORD.findall(text)}
