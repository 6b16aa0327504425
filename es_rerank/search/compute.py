"""The interface with which the pipeline calls slow functions, which read or rewrite a response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

Value = TypeVar("Value")


class Compute(Protocol):
    """Calls a pure function, possibly in another thread. *size* is the size of the response that it reads, in bytes."""

    def __call__(self, size: int, function: Callable[..., Value], /, *arguments: Any) -> Awaitable[Value]:
        """Call the function with *arguments* and return its result."""


async def compute_inline(_size: int, function: Callable[..., Value], *arguments: Any) -> Value:
    """Call a function without another thread, whatever the size of its input, and return its result."""
    return function(*arguments)
