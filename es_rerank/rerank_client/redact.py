"""Truncates error messages of rerank servers before any query text, document text or API key, so they can be logged.

Servers repeat parts of the request in error messages: a text that is too long, the body, or headers with the key.
"""

from __future__ import annotations

from collections.abc import Sequence

_MAX_CHARACTERS = 300
# Minimum length of a repeated part of a text or of the key. Shorter parts match by chance and reveal nothing.
_MIN_TEXT_CHARACTERS, _MIN_KEY_CHARACTERS = 16, 6
# Texts shorter than this are not searched for, because they occur in almost every message.
_MIN_WHOLE_TEXT_BYTES = 4


def redacted(content: bytes, texts: Sequence[str], key: str) -> str:
    """Return the start of an error response, cut before a part of *texts* or *key*, or before a Unicode escape.

    Args:
        content: The response body.
        texts: The query and the texts that were sent.
        key: The API key that was sent, or an empty string.

    Returns:
        At most 300 characters.

    """
    window = _MAX_CHARACTERS + _MIN_TEXT_CHARACTERS
    message = content[: 4 * window].decode("utf-8", "replace")[:window]
    ends = (
        _repetition(message, texts, _MIN_TEXT_CHARACTERS),
        _repetition(message, [key], _MIN_KEY_CHARACTERS),
        message.find("\\u") % (len(message) + 1),
    )
    end = min(*ends, _MAX_CHARACTERS)
    return message[:end] + "…" if end < len(message) else message


def _repetition(message: str, sent: Sequence[str], length: int) -> int:
    """Return the first position at which *message* repeats *length* characters of *sent*, or a whole shorter text."""
    stripped = [text.strip() for text in sent]
    short = [text for text in stripped if len(text) <= length and len(text.encode()) >= _MIN_WHOLE_TEXT_BYTES]
    whole = [start for text in short if (start := message.find(text)) >= 0]
    everything = "\n".join(sent)
    runs = (start for start in range(len(message) - length + 1) if message[start : start + length] in everything)
    return min([*whole, next(runs, len(message))])
