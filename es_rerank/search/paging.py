"""Reads `from` and `size` of a search as the engines read them."""

from __future__ import annotations

import re
from typing import Any

from es_rerank.model import Search

DEFAULT_SIZE = 10
# The engines store hit counts as 32-bit integers.
_MAX_HITS = 2**31 - 1
_URL_INTEGER = re.compile(r"[+-]?\d+")
# The decimal numbers that Java's `Double.parseDouble` accepts, after it has removed blanks around them.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?", re.ASCII)
_BLANK = "".join(map(chr, range(0x21)))


def page(search: Search) -> tuple[int, int]:
    """Return `from` and `size`; URL parameters take precedence over the body.

    Raises:
        ValueError, OverflowError: The engines do not accept a value as an integer.

    """
    return _number(search, "from", 0), _number(search, "size", DEFAULT_SIZE)


def _number(search: Search, name: str, default: int) -> int:
    """Return an integer of the URL or, if it is not there, of the body."""
    if name in search.params:
        return url_integer(search.params[name])
    return body_integer(search.body.values[name]) if name in search.body.values else default


def url_integer(text: str) -> int:
    """Convert a URL parameter to an integer like Java's `Integer.parseInt`, which accepts no spaces, `1_0` or `1.0`.

    Raises:
        ValueError: It is not an integer.

    """
    if _URL_INTEGER.fullmatch(text):
        return int(text)
    raise ValueError(text)


def body_integer(value: Any) -> int:
    """Convert a JSON value to an integer as the engines do: they cut off decimals, and accept a number in a string.

    Raises:
        ValueError, OverflowError: It is not a number.

    """
    if isinstance(value, str) and _NUMBER.fullmatch(text := value.strip(_BLANK)):
        return int(float(text.rstrip("fFdD")))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    raise ValueError(value)


def has_invalid_page(search: Search) -> bool:
    """Return whether `from` or `size` is invalid. The engine then returns its own error."""
    try:
        start, size = page(search)
    except (ValueError, OverflowError):
        return True
    return not (0 <= start <= _MAX_HITS and 0 <= size <= _MAX_HITS)
