"""Cuts documents into passages that the model can read: in the model's tokens, on text boundaries, never mid-prompt."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

Tokens = Callable[[str], Sequence[tuple[int, int]]]
"""Gives the `[start, end)` of each token of a text, in characters, in order."""
Spot = tuple[int, int]
"""A document's number and the place of a passage in it."""

# Where a cut hurts least, best first: between paragraphs, sentences (also of CJK, Arabic, Devanagari), words.
_BOUNDARIES = tuple(
    re.compile(pattern) for pattern in (r"\n\s*\n", r"(?<=[.!?…])\s|(?<=[。！？｡।؟])|\n", r"(?<=[,;:、，；،])|\s")
)
_OVERLAP = 0.15
_HEAD_SHARE = 0.2
# A cheap upper bound on the characters that one token can stand for, to keep tokenizing of huge texts bounded.
_CHARACTERS_A_TOKEN = 12
_BYTES_A_TOKEN = 3
_ESTIMATE = re.compile(r"[぀-ヿ㐀-鿿가-힯]|\w{1,3}|[^\w\s]")
_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]{2}|\w+")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be read: `mode` is `truncate` or `max_passage`; tokens of one passage, and of one Search."""

    mode: str
    max_passage_tokens: int
    max_search_tokens: int


class _Piece(NamedTuple):
    """A passage, and about how many tokens it costs."""

    text: str
    tokens: int


def estimate(text: str) -> list[tuple[int, int]]:
    """Guess the tokens of a text where the model's tokenizer is not at hand; rather too many than too few."""
    return [found.span() for found in _ESTIMATE.finditer(text)]


def passages(documents: Sequence[str | None], query: str, limits: Limits, tokens: Tokens) -> list[list[str]]:
    """Cut each document into the passages to score: one if it is short or truncated, else overlapping ones.

    When all of them together would be more than `max_search_tokens`, every document keeps its first passage and the
    rest of the budget goes to those that share the rarest words with the query.
    """
    cut = [list(_pieces(text, limits, tokens)) if text else [] for text in documents]
    left = limits.max_search_tokens - sum(pieces[0].tokens for pieces in cut if pieces)
    later = {(at, place): piece for at, pieces in enumerate(cut) for place, piece in enumerate(pieces) if place}
    chosen = set(later)
    if sum(piece.tokens for piece in later.values()) > left:
        chosen = _affordable(later, query, left)
    return [
        [piece.text for place, piece in enumerate(pieces) if not place or (at, place) in chosen]
        for at, pieces in enumerate(cut)
    ]


def _affordable(later: Mapping[Spot, _Piece], query: str, left: int) -> set[Spot]:
    """Choose pieces for *left* tokens, those first that share the rarest words with the query."""
    words = {spot: _words(query) & _words(piece.text) for spot, piece in later.items()}
    spread = Counter(chain.from_iterable(words.values()))
    chosen = set()
    for spot in sorted(later, key=lambda one: -sum(1 / spread[word] for word in words[one])):
        left -= later[spot].tokens
        if left < 0:
            break
        chosen.add(spot)
    return chosen


def _pieces(text: str, limits: Limits, tokens: Tokens) -> Iterator[_Piece]:
    """Cut one document."""
    limit = limits.max_passage_tokens
    size = len(text.encode("utf-8", "replace"))
    if size <= limit:
        yield _Piece(text, size // _BYTES_A_TOKEN + 1)
        return
    reach = limit if limits.mode == "truncate" else limits.max_search_tokens
    text = text[: reach * _CHARACTERS_A_TOKEN]
    spans = tokens(text)
    if len(spans) <= limit:
        yield _Piece(text, len(spans))
    elif limits.mode == "truncate":
        yield _Piece(text[: _boundary(text, 0, spans[limit - 1][1])], limit)
    else:
        yield from _overlapping(text, spans, limit)


def _overlapping(text: str, spans: Sequence[tuple[int, int]], limit: int) -> Iterator[_Piece]:
    """Walk over the text in steps of nearly a passage; later ones carry the headline, so they know their subject."""
    head = _headline(text, spans, limit)
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    at, room = 0, limit
    while at < len(spans):
        last = min(at + room, len(spans))
        stop = len(text) if last == len(spans) else _boundary(text, starts[at], ends[last - 1])
        yield _Piece((head if at else "") + text[starts[at] : stop].strip(), limit - room + last - at)
        if stop >= ends[-1]:
            return
        room = limit - bisect_right(starts, len(head))
        at = max(at + 1, bisect_right(ends, stop) - int(limit * _OVERLAP))


def _headline(text: str, spans: Sequence[tuple[int, int]], limit: int) -> str:
    """Take the first line as a headline if it is a small share of a passage and something follows it."""
    first, newline, rest = text.partition("\n")
    count = bisect_right([start for start, _ in spans[:limit]], len(first))
    return first + newline if rest and count <= limit * _HEAD_SHARE else ""


def _boundary(text: str, start: int, end: int) -> int:
    """Find the best boundary in the last quarter of `[start, end]`; *end* itself if there is none."""
    earliest = end - (end - start) // 4
    for pattern in _BOUNDARIES:
        found = [at for match in pattern.finditer(text, earliest, end + 1) if (at := match.start()) <= end]
        if found:
            return found[-1]
    return end


def _words(text: str) -> set[str]:
    """Collect the words of a text, case folded; pairs of characters where no spaces part the words."""
    return {word.casefold() for word in _WORD.findall(text)}
