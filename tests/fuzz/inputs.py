"""The form of an input: a few parts, each on lines of its own, so that a found case can be read and edited.

The first part of most targets are knobs: each byte chooses one thing, so that a fuzzer can turn them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

One = TypeVar("One")

SEPARATOR = b"\n====\n"


def joined(*parts: bytes) -> bytes:
    """Write an input."""
    return SEPARATOR.join(parts)


def parted(data: bytes, count: int) -> list[bytes]:
    """Give exactly so many parts; those that are missing are empty."""
    found = data.split(SEPARATOR, count - 1)
    return [*found, *[b""] * (count - len(found))]


def text(part: bytes) -> str:
    """Decode as a text of a person, whatever the bytes are."""
    return part.decode("utf-8", "replace")


class Knobs:
    """Choices made by bytes, in their order; where they end, the first choice is made."""

    def __init__(self, part: bytes) -> None:
        """Read *part* from its start."""
        self._bytes = iter(part)

    def number(self, most: int) -> int:
        """Give a number from 0 to *most*, which is below 256. A digit stands for itself."""
        return (next(self._bytes, 48) - 48) % (most + 1)

    def share(self) -> float:
        """Give a number from 0 to 1, with both."""
        return self.number(255) / 255

    def switch(self) -> bool:
        """Give yes or no."""
        return bool(self.number(1))

    def one(self, of: Sequence[One]) -> One:
        """Choose one of a few."""
        return of[self.number(len(of) - 1)]
