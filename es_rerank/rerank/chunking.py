"""Splits documents into passages that fit the model: sizes are in model tokens, cuts are at sentence or word ends."""

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
"""Tokenizes a text and returns the character range `(start, end)` of each token, in text order."""
Position = tuple[int, int]
"""Index of a document, and index of a passage in that document, both from 0."""

# Preferred cut positions, best first: between paragraphs, between sentences (including CJK, Arabic and Devanagari
# punctuation), between clauses or words.
_BOUNDARIES = tuple(
    re.compile(pattern) for pattern in (r"\n\s*\n", r"(?<=[.!?…])\s|(?<=[。！？｡।؟])|\n", r"(?<=[,;:、，；،])|\s")
)
# Fraction of a passage that is repeated at the start of the next passage.
_OVERLAP = 0.15
# Maximum fraction of a passage that a repeated headline may take.
_MAX_HEADLINE_SHARE = 0.2
# Upper bound of the average token length. Limits how much of a very long text is tokenized.
_MAX_CHARACTERS_PER_TOKEN = 12
# Deliberately low, so that the token count of a short text is not underestimated.
_MIN_BYTES_PER_TOKEN = 3
_ESTIMATED_TOKEN = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\w{1,3}|[^\w\s]")
_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]{2}|\w+")


@dataclass(frozen=True, slots=True)
class Limits:
    """How documents are split, and how much of them the model reads.

    Attributes:
        mode: `truncate` scores only the start of a document, `max_passage` scores several passages per document.
        max_passage_tokens: Maximum length of a passage, in tokens.
        max_search_tokens: Maximum total length of all passages of a search, in tokens.

    """

    mode: LongDocumentMode
    max_passage_tokens: int
    max_search_tokens: int


class _Piece(NamedTuple):
    """A passage and its approximate number of tokens."""

    text: str
    tokens: int


def estimate(text: str) -> list[tuple[int, int]]:
    """Approximate tokenization without the model's tokenizer. It tends to return too many tokens, not too few.

    Returns:
        The character range `(start, end)` of each token, in text order.

    """
    return [match.span() for match in _ESTIMATED_TOKEN.finditer(text)]


def passages(documents: Sequence[str | None], query: str, limits: Limits, tokens: Tokens) -> list[list[str]]:
    """Split each document into the passages to score.

    A document that is short or truncated is one passage. Any other document is split into overlapping passages. If the
    passages of all documents exceed `max_search_tokens`, every document keeps its first passage, and the remaining
    budget is spent on the passages that share the rarest words with the query.

    Args:
        documents: The text of each document; None for a document without text.
        query: The query text.
        limits: The limits, in tokens.
        tokens: The tokenizer.

    Returns:
        One list of passages per document, empty for a document without text.

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
    """Choose passages until *budget* tokens are used, those that share the rarest words with the query first."""
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
    """Split one document into passages."""
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
    """Split a text into overlapping passages. The headline is repeated at the start of each, for context."""
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
    """Return the first line if it is short compared to a passage and more text follows; otherwise an empty string."""
    line, newline, rest = text.partition("\n")
    count = bisect_right([start for start, _ in spans[:limit]], len(line))
    return line + newline if rest and count <= limit * _MAX_HEADLINE_SHARE else ""


def _boundary(text: str, start: int, end: int) -> int:
    """Return the best cut position in the last quarter of `[start, end]`, or *end* if there is no boundary."""
    earliest = end - (end - start) // 4
    for pattern in _BOUNDARIES:
        matches = [at for match in pattern.finditer(text, earliest, end + 1) if (at := match.start()) <= end]
        if matches:
            return matches[-1]
    return end


def _words(text: str) -> set[str]:
    """Return the set of case-folded words of a text; in CJK text, pairs of characters."""
    return {word.casefold() for word in _WORD.findall(text)}
