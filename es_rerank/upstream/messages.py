"""What is said to the engine, and what it says."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass, field

import aiohttp
from multidict import CIMultiDict

Body = bytes | AsyncIterable[bytes] | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to the engine. `target` is the raw path with its query string, `again` allows a second try.

    A request whose connection the engine had closed is tried once more if it only reads; a write never is.
    """

    method: str
    target: str
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: Body = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """The head of an answer as clients are to see it, and the stream of its body."""

    status: int
    reason: str | None
    headers: CIMultiDict[str]
    content: aiohttp.StreamReader
