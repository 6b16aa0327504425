"""A client's request as it came: its target, its body as a stream, its headers for the engine."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from aiohttp import web
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

from es_rerank.config.settings import Settings
from es_rerank.config.types import seconds
from es_rerank.errors import RequestError
from es_rerank.net.headers import FORWARDING, end_to_end_headers
from es_rerank.net.messages import Stream
from es_rerank.net.stream_copy import copy_stream

# How long a client waits at most for its searches; it may ask for less than the rule says, never for more.
DEADLINE_HEADER = "X-Rerank-Deadline"

# What a request says of its own body and answer: of one of ours in the same client's name it would not be so.
OF_THE_BODY = ("Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type")

_BEHIND_HOST = re.compile(r"[/?].*", re.DOTALL)


def target(request: web.BaseRequest) -> str:
    """Give the path and query as the client wrote them; of an absolute form (RFC 9112, 3.2.2) what follows the host."""
    raw = request.raw_path
    if raw.startswith("/"):
        return raw
    found = _BEHIND_HOST.search(raw.partition("://")[2])
    return "/" + found[0].removeprefix("/") if found else "/"


def deadline(request: web.BaseRequest) -> float:
    """Read how many seconds a client would wait; as long as the rule says if it does not. Raises RequestError."""
    asked = request.headers.get(DEADLINE_HEADER)
    try:
        return math.inf if asked is None else seconds(asked)
    except ValueError as error:
        raise RequestError(f"{DEADLINE_HEADER}: {error}") from error


def uploading(request: web.BaseRequest) -> ClientBody | None:
    """Stream the client's body as it comes; None if there is none."""
    return ClientBody(request) if request.can_read_body else None


class ClientBody(Stream):
    """A client's body as it comes, behind the parts of it that were read before."""

    def __init__(self, request: web.BaseRequest, read: Sequence[bytes] = ()) -> None:
        """Take over the body of *request*."""
        self._content = request.content
        self._read = read

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give it bit by bit."""
        for part in self._read:
            yield part
        with _readable():
            async for chunk in self._content.iter_any():
                yield chunk

    async def copy_stream(self, sink: StreamWriter) -> None:
        """Write all of it."""
        for part in self._read:
            await sink.write(part)
        with _readable():
            await copy_stream(self._content, sink)


@contextmanager
def _readable() -> Iterator[None]:
    """Word a body that cannot be read as the client's fault."""
    try:
        yield
    except web.RequestPayloadError as error:
        raise RequestError("the body of the request is malformed or ends too early") from error


def headers(request: web.BaseRequest, settings: Settings, *without: str) -> CIMultiDict[str]:
    """Copy the headers that pass to the engine; *without* names more that do not."""
    found = end_to_end_headers(request.raw_headers, *without)
    FORWARDING[settings.forwarded](found, request.remote or "", request.host, request.scheme)
    return found
