"""The type of the function with which the pipeline calls slow functions: those that read or rewrite a response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

Value = TypeVar("Value")


class Compute(Protocol):
    """Calls a pure function whose input is a response of this size, in bytes, perhaps in another thread."""

    def __call__(self, size: int, function: Callable[..., Value], /, *arguments: Any) -> Awaitable[Value]:
        """Call the function, possibly in a thread, and return its result."""


async def compute_inline(_size: int, function: Callable[..., Value], *arguments: Any) -> Value:
    """Call a function at once, whatever the size of its input."""
    return function(*arguments)
