"""Removes query texts, document texts and API keys from error messages of rerank servers, so that they can be logged.

Servers quote parts of the request in error messages: a text that is too long, the body, or headers with the key. A
message is cut off before the first such part.
"""

from __future__ import annotations

from collections.abc import Sequence

_MAX_CHARACTERS = 300
# Minimum length of a quoted part of a text or of the API key. Shorter matches can be coincidences, and reveal nothing.
_MIN_TEXT_CHARACTERS, _MIN_KEY_CHARACTERS = 16, 6
# Texts shorter than this are not searched for, because they occur in almost every message.
_MIN_WHOLE_TEXT_BYTES = 4


def redacted(content: bytes, texts: Sequence[str], key: str) -> str:
    """Return the start of an error response, cut off before any part of *texts* or *key*.

    It is also cut off before the first Unicode escape, because a text can be quoted with such escapes.

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
    """Return the position in *message* of the first quotation of *sent*, or the length of *message* if there is none.

    A quotation is any *length* consecutive characters of a text, or all of a shorter text.
    """
    stripped = [text.strip() for text in sent]
    short = [text for text in stripped if len(text) <= length and len(text.encode()) >= _MIN_WHOLE_TEXT_BYTES]
    whole = [start for text in short if (start := message.find(text)) >= 0]
    everything = "\n".join(sent)
    runs = (start for start in range(len(message) - length + 1) if message[start : start + length] in everything)
    return min([*whole, next(runs, len(message))])
