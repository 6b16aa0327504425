"""One client's connection. What is no HTTP is refused in the engines' shape, and then the connection ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from aiohttp import StreamReader, web
from aiohttp.http_exceptions import BadHttpMethod, InvalidHeader, InvalidURLError, LineTooLong

from es_rerank.server.listen.proxy_protocol import ProxyProtocolError, read_proxy_header
from es_rerank.server.responses import error_answer

log = structlog.get_logger()

_NOT_ASCII = re.compile(rb"[\x80-\xff]+")
# What the parser found, as error type and reason. Its own words quote the bytes, which may be somebody's password.
_FAULTS: Sequence[tuple[type[BaseException], str, str]] = (
    (LineTooLong, "too_long_http_header_exception", "the request line or a header is too long"),
    (InvalidHeader, "illegal_argument_exception", "a header is malformed"),
    (InvalidURLError, "illegal_argument_exception", "the target of the request is malformed"),
    (BadHttpMethod, "illegal_argument_exception", "the method of the request is malformed"),
    (BaseException, "illegal_argument_exception", "the request is malformed"),
)


def escaped(line: bytes) -> bytes:
    """Escape what is not ASCII in a request line, as the engines read it (each byte a character of Latin-1).

    The parser takes no such byte, though curl and others send them.
    """
    return _NOT_ASCII.sub(lambda found: quote(found[0].decode("latin-1")).encode(), line)


class AdminAccess(Enum):
    """What an address has below `/_rerank`: what the engine has there, or the own pages, for all or for some."""

    NONE = auto()
    ALL = auto()
    AUTHENTICATED = auto()


class Connection(web.RequestHandler):
    """Speaks HTTP with one client; before it, where the operator says so, the PROXY protocol with a load balancer."""

    __slots__ = ("_before", "_client", "_content", "_in_line", "pages")

    def __init__(
        self,
        manager: web.Server,
        *,
        pages: AdminAccess = AdminAccess.NONE,
        proxy_protocol: bool = False,
        **options: Any,
    ) -> None:
        """Wait for a client of an address with such *pages*; *options* are those of the server library."""
        super().__init__(manager, **options)
        self.pages = pages
        self._before: bytes | None = b"" if proxy_protocol else None
        self._client: str | None = None
        self._content: StreamReader | None = None
        self._in_line = True

    @property
    def peername(self) -> Any:
        """Say whose connection it is: the balancer knows better than the socket."""
        found = super().peername
        return (self._client, *found[1:]) if self._client and isinstance(found, tuple) else found

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of the PROXY protocol are not for the parser of HTTP."""
        if self._before is None:
            self._parsed(data)
            return
        self._before += data
        try:
            preface = read_proxy_header(self._before)
        except ProxyProtocolError as error:
            # There is no telling who this is, nor in which protocol an answer would be read.
            log.warning("connection refused", reason=str(error))
            self.force_close()
            return
        if preface:
            rest, self._before, self._client = self._before[preface.size :], None, preface.client
            self._parsed(rest)

    def _parsed(self, data: bytes) -> None:
        """Have HTTP parsed. Where a body turns out malformed its reader must learn of it, or it waits for ever."""
        if self._in_line:
            line, end, rest = data.partition(b"\n")
            data = escaped(line) + end + rest
            self._in_line = not end
        known = len(self._messages)
        super().data_received(data)
        for message, content in list(self._messages)[known:]:
            if not hasattr(message, "exc"):
                self._content = content
            elif self._content is not None and not self._content.is_eof():
                self._content.set_exception(web.RequestPayloadError())
        if self._content is not None and self._content.is_eof():
            self._content, self._in_line = None, True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes what came
    ) -> web.StreamResponse:
        """Refuse what the parser cannot read; what comes behind it on the connection is not read any more."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        kind, reason = next((kind, words) for fault, kind, words in _FAULTS if isinstance(exc or Exception(), fault))
        log.info("request refused", client=request.remote, reason=reason)
        answer = error_answer(status, kind, reason)
        answer.force_close()
        return answer


def admin_access(request: web.BaseRequest) -> AdminAccess:
    """Say which own pages the address has that a request came by."""
    came_by = request.protocol
    return came_by.pages if isinstance(came_by, Connection) else AdminAccess.NONE
