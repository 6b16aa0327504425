"""Quotes what a rerank server says of a request, without what was sent to it: its words end up in logs and pages.

Servers name what they refuse: the text that is too long, the field with the texts in it, the headers with the key.
"""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 300
# Fewer letters of a text in a row are any text's, fewer of a key tell nothing.
_OF_A_TEXT, _OF_A_KEY = 16, 6
_LEAST_BYTES = 4


def quoted(said: bytes, texts: Sequence[str], key: str) -> str:
    """Give the beginning of what was said, up to where it repeats one of *texts* or *key*, or is written in escapes."""
    words = said[: 4 * (_MOST + _OF_A_TEXT)].decode("utf-8", "replace")[: _MOST + _OF_A_TEXT]
    ends = (_repeats(words, texts, _OF_A_TEXT), _repeats(words, [key], _OF_A_KEY), words.find("\\u") % (len(words) + 1))
    end = min(*ends, _MOST)
    return words[:end] + "…" if end < len(words) else words


def _repeats(words: str, sent: Sequence[str], letters: int) -> int:
    """Find where words begin to repeat something that was sent, in so many letters or the whole of it; else the end."""
    short = [one for text in sent if len(one := text.strip()) <= letters and len(one.encode()) >= _LEAST_BYTES]
    whole = [at for one in short if (at := words.find(one)) >= 0]
    everything = "\n".join(sent)
    parts = (at for at in range(len(words) - letters + 1) if words[at : at + letters] in everything)
    return min([*whole, next(parts, len(words))])
