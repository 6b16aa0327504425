"""Reads a client's request: target, body as a stream, and the headers for the engine."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

from es_rerank.config.addresses import UNIX, host_and_port
from es_rerank.config.settings import Settings
from es_rerank.errors import RequestError
from es_rerank.net.headers import FORWARDING, end_to_end_headers
from es_rerank.net.identity import is_foreign_host, is_foreign_site, shows_identity
from es_rerank.net.messages import Stream
from es_rerank.net.stream_copy import copy_stream
from es_rerank.server.memory import Hold

# Headers that describe the client's request body or the expected response. es-rerank's own requests for the client omit
# these headers.
BODY_HEADERS = ("Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type")

log = structlog.get_logger()

# Headers of a client's AWS signature. It is not valid for the engine, so es-rerank's own signature replaces it.
_AWS_SIGNATURE = "AWS4-HMAC-SHA256 "
_AWS_HEADERS = ("authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token")

_BEHIND_HOST = re.compile(r"[/?].*", re.DOTALL)


def target(request: web.BaseRequest) -> str:
    """Return the raw path and query string. If the target is an absolute URL (RFC 9112, 3.2.2), remove the host."""
    raw = request.raw_path
    if raw.startswith("/"):
        return raw
    found = _BEHIND_HOST.search(raw.partition("://")[2])
    return "/" + found[0].removeprefix("/") if found else "/"


def accepted_encodings(request: web.BaseRequest) -> str:
    """Return the value of the client's `Accept-Encoding` header. The values of several such headers are joined."""
    return ", ".join(request.headers.getall("Accept-Encoding", ()))


def uploading(request: web.BaseRequest) -> ClientBody | None:
    """Return the body of the client's request as a stream; None if the request has no body."""
    return ClientBody(request) if request.can_read_body else None


class ClientBody(Stream):
    """A client's request body as a stream, starting with chunks that were already read."""

    def __init__(self, request: web.BaseRequest, read: list[bytes] | None = None, hold: Hold | None = None) -> None:
        """Create a stream of the chunks in *read*, followed by the rest of the body of *request*.

        The size of these chunks is counted in *hold*. Each chunk is removed from memory when it is sent, because the
        client may take any time to send the rest.
        """
        self._content = request.content
        self._read = read or []
        self._hold = hold

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the body. Raises RequestError if the body is malformed."""
        for part in self._taken():
            yield part
        with _readable():
            async for chunk in self._content.iter_any():
                yield chunk

    async def copy_stream(self, sink: StreamWriter) -> None:
        """Write the whole body to *sink*. Raises RequestError if the body is malformed."""
        for part in self._taken():
            await sink.write(part)
        with _readable():
            await copy_stream(self._content, sink)

    def _taken(self) -> Iterator[bytes]:
        """Yield the chunks that were already read, and remove each of them from memory."""
        self._read.reverse()
        while self._read:
            yield self._read.pop()
        if self._hold:
            self._hold.release()


@contextmanager
def _readable() -> Iterator[None]:
    """Raise RequestError if the block raises aiohttp's error for a malformed body."""
    try:
        yield
    except web.RequestPayloadError as error:
        raise RequestError("the body of the request is malformed or ends too early") from error


def headers(request: web.BaseRequest, settings: Settings, *without: str) -> CIMultiDict[str]:
    """Return the client's headers for the engine, except *without*, with `X-Forwarded-*` as the settings require."""
    forwarded = end_to_end_headers(request.raw_headers, *without)
    FORWARDING[settings.forwarded](forwarded, request.remote or "", request.host, request.scheme)
    return forwarded


def uses_service_credentials(request: web.BaseRequest, settings: Settings) -> bool:
    """Return whether to use es-rerank's own credentials for a request, because the caller shows no identity.

    They are not used for requests that may be from a foreign web page in the browser of a person who can reach
    es-rerank. Such a page could reach es-rerank by a host name of its own site (DNS rebinding), or by a request to
    another site.
    """
    if not (settings.aws_region or settings.upstream_api_key or settings.upstream_username):
        return False
    anonymous = tuple(name.lower() for name in settings.anonymous_headers)
    if settings.aws_region and request.headers.get("Authorization", "").startswith(_AWS_SIGNATURE):
        anonymous += _AWS_HEADERS
    if shows_identity(request.headers, request.raw_path, anonymous):
        return False
    reason = _foreign(request, settings)
    if reason:
        log.debug("service credentials withheld", client=request.remote, reason=reason)
    return not reason


def _foreign(request: web.BaseRequest, settings: Settings) -> str:
    """Return why a request may be from a foreign web page; empty if it is not from such a page."""
    addresses = [one for one in (settings.listen, settings.admin_listen, settings.publish_address) if one]
    own = [host_and_port(one)[0] for one in addresses if ":" in one and not one.startswith(UNIX)]
    # With TLS the certificate proves the name, and browsers cannot connect to Unix sockets.
    is_proven = request.secure or isinstance(request.get_extra_info("sockname"), str)
    if not is_proven and is_foreign_host(request.headers.get("Host", ""), (*own, *settings.trusted_hosts)):
        return "the host of the request is not in trusted_hosts"
    if is_foreign_site(request.headers, settings.trusted_hosts):
        return "a page of a site that is not in trusted_hosts sent the request"
    return ""
