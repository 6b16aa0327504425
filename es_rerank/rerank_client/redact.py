"""Quotes error responses of rerank servers without the texts and the key that were sent: quotes end up in logs.

Servers repeat what they refuse: the text that is too long, the body of the request, the headers with the key.
"""

from __future__ import annotations

from collections.abc import Sequence

_MAX_CHARACTERS = 300
# A shorter run of characters occurs in any text by chance; a shorter part of a key says nothing about it.
_MIN_TEXT_CHARACTERS, _MIN_KEY_CHARACTERS = 16, 6
# A text as short as this is not looked for as a whole: its letters are in every message.
_MIN_WHOLE_TEXT_BYTES = 4


def redacted(content: bytes, texts: Sequence[str], key: str) -> str:
    """Return the beginning of an error response, up to where it repeats *texts* or *key*, or has Unicode escapes."""
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
    """Find where a message first repeats *length* characters of what was sent, or a shorter text as a whole."""
    stripped = [text.strip() for text in sent]
    short = [text for text in stripped if len(text) <= length and len(text.encode()) >= _MIN_WHOLE_TEXT_BYTES]
    whole = [start for text in short if (start := message.find(text)) >= 0]
    everything = "\n".join(sent)
    runs = (start for start in range(len(message) - length + 1) if message[start : start + length] in everything)
    return min([*whole, next(runs, len(message))])
