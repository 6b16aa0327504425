"""Splits documents into passages that fit the model, at sentence or word ends. Sizes are in estimated tokens.

The result for one document, a `Cut`, has only positions, so that it can be cached without the text. The model's
tokenizer is only needed for truncated documents whose limit is near the model's context; see `Limits.near_context`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from es_rerank.model import LongDocumentMode
from es_rerank.rerank.token_rates import MARGIN, Tokens

Measure = Callable[[str], Tokens]
"""Estimates the number of tokens of a text."""

# Preferred cut positions, best first: between paragraphs, between sentences (including CJK, Arabic and Devanagari
# punctuation), between clauses or words. The patterns are for reversed text, in which the first match is the last one
# of the text. They start with a set of characters, which is searched for much faster than anything else.
_PARAGRAPH = re.compile(r"\n\s*(\n)(?=\S)")
_SENTENCE = re.compile(r"[.!?…。！？｡।؟](?:(?<=\s[.!?…])|(?<=[。！？｡।؟]))")
_CLAUSE = re.compile(r"[\s,;:、，；，]")
_SPACE = re.compile(r"\s")
# Fraction of a passage that is repeated at the start of the next passage.
_OVERLAP = 0.15
# Maximum fraction of a passage that a repeated headline may take.
_MAX_HEADLINE_SHARE = 0.2
# Upper bound of the average token length. Limits how much of a very long text is read.
_MAX_CHARACTERS_PER_TOKEN = 12
# Assumed number of characters per token for the first attempt. Measuring the text then corrects it.
_CHARACTERS_PER_TOKEN = 4.0
# A text is measured as a whole only if it has at most this many characters per token of the limit. Longer texts are
# unlikely to fit.
_WORTH_MEASURING = 6
# Text of all scripts has at least this many bytes per token on average.
_BYTES_PER_TOKEN = 3
# A passage that is shorter than _MIN_SHARE of the limit is extended to about _AIM of the limit.
_MIN_SHARE, _AIM = 0.85, 0.97
_MAX_MEASURES = 4
# Minimum length of a text relative to its escaped form: escaping adds a byte to special tokens of three bytes or more.
_ESCAPED_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for splitting documents into passages.

    Attributes:
        mode: `truncate` scores only the start of a document, `max_passage` scores several passages per document.
        max_passage_tokens: Maximum length of a passage, in tokens.
        max_search_tokens: Maximum total length of all passages of a search, in tokens.
        context_tokens: The part of the model's context that is left for a passage, in tokens. No passage may be longer.

    """

    mode: LongDocumentMode
    max_passage_tokens: int
    max_search_tokens: int
    context_tokens: int

    @property
    def near_context(self) -> bool:
        """Whether exact token counts are needed to make sure that a passage of `max_passage_tokens` fits the context.

        In the mode `max_passage`, they are not needed: passages are cut so short that they always fit.
        """
        return self.mode is LongDocumentMode.TRUNCATE and self.max_passage_tokens * MARGIN > self.context_tokens

    @property
    def passage_tokens(self) -> int:
        """Maximum estimated length of a passage, in tokens."""
        return max(1, min(self.max_passage_tokens, int(self.context_tokens / MARGIN)))

    @property
    def whole_bytes(self) -> int:
        """The size, in bytes, up to which a document is a single passage without estimating its tokens.

        Such a document always fits the context, because no token is shorter than a byte. It can be longer than
        `max_passage_tokens` only if it has unusually many tokens.
        """
        return min(self.max_passage_tokens * _BYTES_PER_TOKEN, int(self.context_tokens * _ESCAPED_SHARE))

    @property
    def readable_characters(self) -> int:
        """Number of characters at the start of a document that may be read."""
        truncated = self.mode is LongDocumentMode.TRUNCATE
        return (self.max_passage_tokens if truncated else self.max_search_tokens) * _MAX_CHARACTERS_PER_TOKEN


class Piece(NamedTuple):
    """The character range of a passage in its document, and its estimated number of tokens."""

    start: int
    end: int
    tokens: int


class Cut(NamedTuple):
    """The positions at which a document is split into passages.

    The first `headline` characters of the document are repeated before each passage except the first one.
    """

    pieces: tuple[Piece, ...]
    headline: int = 0

    def text(self, document: str, number: int) -> str:
        """Return the text of the passage *number*, given the text of its document."""
        piece = self.pieces[number]
        return (document[: self.headline] if number else "") + document[piece.start : piece.end]


def cut(text: str, limits: Limits, measure: Measure) -> Cut:
    """Split one document into passages.

    Args:
        text: The start of a document, at most `limits.readable_characters`; not empty.
        limits: The limits, in tokens.
        measure: Estimates the number of tokens of a text.

    Returns:
        At least one passage, and only one if the mode is `truncate`. Each passage certainly fits the model's context,
        because the upper bound of its tokens does.

    """
    if text.isspace():
        # The start of a long document can be white space only.
        return Cut((Piece(0, 1, 1),))
    room = Tokens(limits.passage_tokens, limits.context_tokens)
    if len(text) <= room.estimate * _WORTH_MEASURING:
        tokens = measure(text)
        if tokens.estimate <= room.estimate and tokens.most <= room.most:
            return Cut((Piece(0, len(text), tokens.estimate),))
    headline, repeated = _headline(text, limits.mode, room.estimate, measure)
    return Cut(tuple(_pieces(text, limits, room, repeated, measure)), headline)


def cut_at(text: str, end: int | None, limits: Limits) -> Cut:
    """Return the only passage of a document that is truncated at an exact token limit.

    Args:
        text: The text of the document.
        end: The character position at which the limit in tokens is reached; None if the whole document fits.
        limits: The limits of passages.

    """
    stop = len(text) if end is None else _boundary(text, 0, end)
    return Cut((Piece(0, stop, limits.max_passage_tokens),))


def _pieces(text: str, limits: Limits, room: Tokens, repeated: Tokens, measure: Measure) -> Iterator[Piece]:
    """Yield overlapping passages of a text, or only the first passage in the mode `truncate`.

    *room* is the maximum number of tokens of a passage, by estimate and by upper bound. *repeated* is the number of
    tokens of the headline, which is repeated before each passage except the first one.
    """
    start, used, length = 0, 0, int(room.estimate * _CHARACTERS_PER_TOKEN)
    last = len(text.rstrip())
    while True:
        end, tokens = _fitting(text, start, length, room, measure)
        stop = len(text) if end >= last else _boundary(text, start, end)
        yield Piece(start, stop, tokens + (repeated.estimate if start else 0))
        used += tokens
        if stop >= last or limits.mode is LongDocumentMode.TRUNCATE or used >= limits.max_search_tokens:
            return
        if not start:
            room = Tokens(room.estimate - repeated.estimate, room.most - repeated.most)
        start, length = _next_start(text, start, stop), end - start


def _fitting(text: str, start: int, length: int, room: Tokens, measure: Measure) -> tuple[int, int]:
    """Find an end position for which the text from *start* fits into *room* and nearly fills it.

    Args:
        text: The document.
        start: Start of the passage.
        length: Number of characters that are expected to fit.
        room: Maximum number of tokens of the passage: for the estimate, and for the upper bound.
        measure: Estimates the number of tokens of a text.

    Returns:
        The end position, and the estimated number of tokens.

    """
    size, best = len(text) - start, 0
    for _ in range(_MAX_MEASURES):
        length = min(length, size) or 1
        tokens = measure(text[start : start + length])
        fits = tokens.most <= room.most
        if fits and tokens.estimate > room.estimate:
            # If a text fits into the context, so does each part of it.
            return start + max(1, int(length * room.estimate / tokens.estimate)), room.estimate
        factor = min(room.estimate / tokens.estimate, room.most / tokens.most)
        if factor >= 1:
            best = max(best, length)
            if length == size or factor <= 1 / _MIN_SHARE:
                return start + length, tokens.estimate
        length = int(length * factor * _AIM)
    # A character has at most four bytes, and a byte is at most one token.
    best = max(best, 1, min(size, min(room) // 4))
    return start + best, measure(text[start : start + best]).estimate


def _next_start(text: str, start: int, stop: int) -> int:
    """Return the start of the next passage, at a word near the end of this passage, so that the two overlap."""
    at = stop - int((stop - start) * _OVERLAP)
    space = _SPACE.search(text, at, stop)
    first = space.end() if space else at
    # Other characters than white space follow, because a passage that ends after the last of them has no next one.
    while text[first].isspace():
        first += 1
    return first


def _headline(text: str, mode: LongDocumentMode, size: int, measure: Measure) -> tuple[int, Tokens]:
    """Return the end position and the number of tokens of the headline. Both are 0 if the text has no headline.

    The headline is the first line, if it is short compared with *size*, the maximum length of a passage in tokens, and
    more text follows.
    """
    end = text.find("\n", 0, size * _MAX_CHARACTERS_PER_TOKEN) + 1
    if mode is LongDocumentMode.MAX_PASSAGE and 0 < end < len(text):
        tokens = measure(text[:end])
        if tokens.most <= size * _MAX_HEADLINE_SHARE:
            return end, tokens
    return 0, Tokens(0, 0)


def _boundary(text: str, start: int, end: int) -> int:
    """Return the best cut position in the last quarter of `[start, end]`, or *end* if there is no boundary."""
    earliest, last = end - (end - start) // 4, min(end, len(text) - 1)
    # This part includes the character before the earliest position, which may be the end of a sentence.
    part = text[max(earliest - 1, 0) : last + 1][::-1]
    line = part.find("\n", 0, last - earliest + 1)
    if line >= 0 and (paragraph := _PARAGRAPH.search(part)):
        return min(last - paragraph.start(1), end)
    sentence = _SENTENCE.search(part)
    if sentence and (line < 0 or sentence.start() <= line):
        return min(last - sentence.start() + 1, end)
    if line >= 0:
        return min(last - line, end)
    clause = _CLAUSE.search(part)
    if clause is None:
        return end
    position = last - clause.start() + (not clause[0].isspace())
    return min(position, end) if position >= earliest else end
