"""A client's request as it came: its target, its body as a stream, its headers for the engine."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from aiohttp import web
from multidict import CIMultiDict

from es_rerank.config import Settings
from es_rerank.errors import RequestError
from es_rerank.upstream.headers import FORWARDING, passing

_BEHIND_HOST = re.compile(r"[/?].*", re.DOTALL)


def target(request: web.BaseRequest) -> str:
    """Give the path and query as the client wrote them; of an absolute form (RFC 9112, 3.2.2) what follows the host."""
    raw = request.raw_path
    if raw.startswith("/"):
        return raw
    found = _BEHIND_HOST.search(raw.partition("://")[2])
    return "/" + found[0].removeprefix("/") if found else "/"


def uploading(request: web.BaseRequest) -> AsyncIterator[bytes] | None:
    """Stream the client's body as it comes; None if there is none."""
    return chunks(request) if request.can_read_body else None


async def chunks(request: web.BaseRequest) -> AsyncIterator[bytes]:
    """Stream the client's body. Raises RequestError where it cannot be read."""
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except web.RequestPayloadError as error:
        raise RequestError("the body of the request is malformed or ends too early") from error


def headers(request: web.BaseRequest, settings: Settings, *without: str) -> CIMultiDict[str]:
    """Copy the headers that pass to the engine; *without* names more that do not."""
    found = passing(request.raw_headers, *without)
    FORWARDING[settings.forwarded](found, request.remote or "", request.host, request.scheme)
    return found
