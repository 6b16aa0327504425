"""Splits documents into passages within the model's limits: counted in its tokens, cut on text boundaries."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from es_rerank.model import LongDocumentMode

Tokens = Callable[[str], Sequence[tuple[int, int]]]
"""Returns the `[start, end)` of each token of a text, in characters, in order."""
Position = tuple[int, int]
"""The number of a document, and the number of a passage in it."""

# Where to cut, best first: between paragraphs, sentences (also of CJK, Arabic and Devanagari), words.
_BOUNDARIES = tuple(
    re.compile(pattern) for pattern in (r"\n\s*\n", r"(?<=[.!?…])\s|(?<=[。！？｡।؟])|\n", r"(?<=[,;:、，；،])|\s")
)
# The share of a passage that the next one repeats, and the share that a headline may take.
_OVERLAP = 0.15
_MAX_HEADLINE_SHARE = 0.2
# No token is longer than this on average; it bounds how much of a huge text is tokenized.
_MAX_CHARACTERS_PER_TOKEN = 12
# Rather few, so that the tokens of a short text are not underestimated.
_MIN_BYTES_PER_TOKEN = 3
_ESTIMATED_TOKEN = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\w{1,3}|[^\w\s]")
_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]{2}|\w+")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the documents is read.

    Attributes:
        mode: `truncate` or `max_passage`.
        max_passage_tokens: The most tokens of one passage.
        max_search_tokens: The token budget of all passages of a search.

    """

    mode: LongDocumentMode
    max_passage_tokens: int
    max_search_tokens: int


class _Piece(NamedTuple):
    """A passage, and about how many tokens it has."""

    text: str
    tokens: int


def estimate(text: str) -> list[tuple[int, int]]:
    """Estimate the tokens of a text without the model's tokenizer; rather too many than too few.

    Returns:
        The `[start, end)` of each token, in characters.

    """
    return [match.span() for match in _ESTIMATED_TOKEN.finditer(text)]


def passages(documents: Sequence[str | None], query: str, limits: Limits, tokens: Tokens) -> list[list[str]]:
    """Split each document into the passages to score: one if it is short or truncated, overlapping ones otherwise.

    If all of them together exceed `max_search_tokens`, every document keeps its first passage, and the rest of the
    budget goes to the passages that share the rarest words with the query.

    Args:
        documents: The texts; None for a document without text.
        query: The query text.
        limits: The limits, in tokens.
        tokens: The tokenizer.

    Returns:
        The passages of each document, none for one without text.

    """
    pieces = [list(_pieces(text, limits, tokens)) if text else [] for text in documents]
    budget = limits.max_search_tokens - sum(row[0].tokens for row in pieces if row)
    later = {
        (document, number): piece for document, row in enumerate(pieces) for number, piece in enumerate(row) if number
    }
    chosen = set(later)
    if sum(piece.tokens for piece in later.values()) > budget:
        chosen = _affordable(later, query, budget)
    return [
        [piece.text for number, piece in enumerate(row) if not number or (document, number) in chosen]
        for document, row in enumerate(pieces)
    ]


def _affordable(later: Mapping[Position, _Piece], query: str, budget: int) -> set[Position]:
    """Choose passages within a budget of tokens, first those that share the rarest words with the query."""
    query_words = _words(query)
    shared = {position: query_words & _words(piece.text) for position, piece in later.items()}
    frequency = Counter(chain.from_iterable(shared.values()))
    chosen = set()
    for position in sorted(later, key=lambda one: -sum(1 / frequency[word] for word in shared[one])):
        budget -= later[position].tokens
        if budget < 0:
            break
        chosen.add(position)
    return chosen


def _pieces(text: str, limits: Limits, tokens: Tokens) -> Iterator[_Piece]:
    """Split one document."""
    limit = limits.max_passage_tokens
    size = len(text.encode("utf-8", "replace"))
    if size <= limit:
        yield _Piece(text, size // _MIN_BYTES_PER_TOKEN + 1)
        return
    readable = limit if limits.mode is LongDocumentMode.TRUNCATE else limits.max_search_tokens
    text = text[: readable * _MAX_CHARACTERS_PER_TOKEN]
    spans = tokens(text)
    if len(spans) <= limit:
        yield _Piece(text, len(spans))
    elif limits.mode is LongDocumentMode.TRUNCATE:
        yield _Piece(text[: _boundary(text, 0, spans[limit - 1][1])], limit)
    else:
        yield from _overlapping(text, spans, limit)


def _overlapping(text: str, spans: Sequence[tuple[int, int]], limit: int) -> Iterator[_Piece]:
    """Split a text into overlapping passages; later ones start with the headline, which names their subject."""
    headline = _headline(text, spans, limit)
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    first, room = 0, limit
    while first < len(spans):
        last = min(first + room, len(spans))
        stop = len(text) if last == len(spans) else _boundary(text, starts[first], ends[last - 1])
        yield _Piece((headline if first else "") + text[starts[first] : stop].strip(), limit - room + last - first)
        if stop >= ends[-1]:
            return
        room = limit - bisect_right(starts, len(headline))
        first = max(first + 1, bisect_right(ends, stop) - int(limit * _OVERLAP))


def _headline(text: str, spans: Sequence[tuple[int, int]], limit: int) -> str:
    """Return the first line if it is a small share of a passage and something follows it; otherwise nothing."""
    line, newline, rest = text.partition("\n")
    count = bisect_right([start for start, _ in spans[:limit]], len(line))
    return line + newline if rest and count <= limit * _MAX_HEADLINE_SHARE else ""


def _boundary(text: str, start: int, end: int) -> int:
    """Find the best boundary in the last quarter of `[start, end]`; *end* itself if there is none."""
    earliest = end - (end - start) // 4
    for pattern in _BOUNDARIES:
        matches = [at for match in pattern.finditer(text, earliest, end + 1) if (at := match.start()) <= end]
        if matches:
            return matches[-1]
    return end


def _words(text: str) -> set[str]:
    """Return the words of a text, case folded; pairs of characters in scripts without spaces."""
    return {word.casefold() for word in _WORD.findall(text)}
