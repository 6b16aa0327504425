"""Limits the nesting depth of external JSON text, independently of the limits of the interpreter."""

from __future__ import annotations

import re
from itertools import accumulate

MAX_DEPTH = 200
"""Maximum nesting depth of JSON text. The engines accept about 30 nested queries, each of which has a few levels."""

# Brackets are counted in steps of this many, to stop early and to let other threads run.
_BRACKETS_PER_STEP = 65_536
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_STRING = re.compile(rb'"[^"]*"?')
_LEVELS = tuple((byte == ord("[")) - (byte == ord("]")) for byte in range(256))


def check_depth(text: bytes) -> None:
    """Raise ValueError if objects and arrays in a JSON text, or in a sequence of texts, are nested too deeply.

    The time is linear in the length of the text, and short for a text with few objects and arrays.
    """
    if _has_more_than(text, MAX_DEPTH):
        depth = 0
        brackets = _brackets(text)
        for start in range(0, len(brackets), _BRACKETS_PER_STEP):
            step = brackets[start : start + _BRACKETS_PER_STEP]
            depths = list(accumulate(map(_LEVELS.__getitem__, step), initial=depth))
            if max(depths) > MAX_DEPTH:
                raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
            depth = depths[-1]


def _has_more_than(text: bytes, limit: int) -> bool:
    """Return whether a text has more than *limit* opening brackets; those in strings are counted as well."""
    count = 0
    for bracket in (b"{", b"["):
        at = text.find(bracket)
        while at >= 0:
            count += 1
            if count > limit:
                return True
            at = text.find(bracket, at + 1)
    return False


def _brackets(text: bytes) -> bytes:
    """Return the brackets outside of strings, in the order of the text, with braces converted to square brackets."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Removing two adjacent quotes does not change whether a bracket is inside of a string.
    brackets = text.translate(_TO_SQUARE, _NO_STRUCTURE).replace(b'""', b"")
    return _STRING.sub(b"", brackets) if b'"' in brackets else brackets
