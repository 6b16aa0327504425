"""The format of an input: a few parts, each on its own lines, so that a crash case can be read and edited.

The first part of most targets is a prefix in which each byte makes one choice, so that a fuzzer can vary them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

One = TypeVar("One")

SEPARATOR = b"\n====\n"


def joined(*parts: bytes) -> bytes:
    """Join the parts of an input."""
    return SEPARATOR.join(parts)


def parted(data: bytes, count: int) -> list[bytes]:
    """Split an input into exactly *count* parts; missing ones are empty."""
    found = data.split(SEPARATOR, count - 1)
    return [*found, *[b""] * (count - len(found))]


def text(part: bytes) -> str:
    """Decode any bytes as text."""
    return part.decode("utf-8", "replace")


class Choices:
    """Choices made by bytes, in their order; after the last byte the first alternative is chosen."""

    def __init__(self, part: bytes) -> None:
        """Read *part* from its start."""
        self._bytes = iter(part)

    def number(self, maximum: int) -> int:
        """Return a number from 0 to *maximum* (at most 255). A digit is its own value."""
        return (next(self._bytes, 48) - 48) % (maximum + 1)

    def share(self) -> float:
        """Return a number in [0, 1]."""
        return self.number(255) / 255

    def switch(self) -> bool:
        """Return true or false."""
        return bool(self.number(1))

    def one(self, of: Sequence[One]) -> One:
        """Return one of several values."""
        return of[self.number(len(of) - 1)]
