"""Repairs JSON text that Elasticsearch and OpenSearch accept or return, but that msgspec rejects.

Their parser, Jackson, accepts comments and a byte order mark. It also accepts strings with half a surrogate pair, for
example a text that an application has cut in the middle of an emoji.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from itertools import islice

import msgspec

# An escape sequence for half a surrogate pair, with the other half if it follows.
_SURROGATE = re.compile(rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[c-fC-F][0-9a-fA-F]{2})")
# A text with more escape sequences than this is not repaired, to limit the time.
_MAX_SURROGATES = 10_000
# A string, which is kept, or a comment, to the end of the line or to `*/`.
_COMMENT = re.compile(rb'("(?:[^"\\]++|\\[\s\S])*+"?)|/\*[\s\S]*?\*/|//[^\r\n]*+')
MAX_BYTES_WITH_COMMENTS = 20_000
"""Comments in a longer request body are not removed, to limit the time."""


def with_whole_characters(text: bytes) -> bytes:
    """Return a JSON text with U+FFFD, the replacement character, in place of each half of a surrogate pair.

    The escape sequence of U+FFFD has the same length, so each value is at the same position as before.
    """
    parts, position, last = [], 0, 0
    for found in islice(_SURROGATE.finditer(text), _MAX_SURROGATES):
        before = text[last : found.start()]
        is_escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
        last = found.end()
        if found[1] is None and not is_escaped:
            parts += [text[position : found.start()], b"\\ufffd"]
            position = last
    return b"".join([*parts, text[position:]])


def without_comments(text: bytes) -> bytes:
    """Return a JSON text without comments and without a byte order mark."""
    if text.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        text = text.decode("utf-16", "replace").encode()
    text = text.removeprefix(BOM_UTF8)
    if (b"/*" not in text and b"//" not in text) or len(text) > MAX_BYTES_WITH_COMMENTS or _is_valid(text):
        return text
    return _COMMENT.sub(rb"\1 ", text).strip()


def _is_valid(text: bytes) -> bool:
    """Return whether a text is valid JSON."""
    try:
        msgspec.json.decode(with_whole_characters(text), type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True
