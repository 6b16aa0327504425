"""A client connection. Invalid HTTP gets an error in the engines' format, and the connection is closed."""

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
# Error type and reason for each parser exception. The exceptions' own messages are not used, because they quote the
# request, which may contain a password.
_PARSER_ERRORS: Sequence[tuple[type[BaseException], str, str]] = (
    (LineTooLong, "too_long_http_header_exception", "the request line or a header is too long"),
    (InvalidHeader, "illegal_argument_exception", "a header is malformed"),
    (InvalidURLError, "illegal_argument_exception", "the target of the request is malformed"),
    (BadHttpMethod, "illegal_argument_exception", "the method of the request is malformed"),
    (BaseException, "illegal_argument_exception", "the request is malformed"),
)


def escaped(line: bytes) -> bytes:
    """Percent-encode the non-ASCII bytes in a request line. The engines decode such bytes as Latin-1.

    Some clients send them, such as curl, but aiohttp's parser rejects them.
    """
    return _NOT_ASCII.sub(lambda match: quote(match[0].decode("latin-1")).encode(), line)


class AdminAccess(Enum):
    """Who can access the admin pages below `/_rerank` at an address; with NONE, that path is passed to the engine."""

    NONE = auto()
    ALL = auto()
    AUTHENTICATED = auto()


class Connection(web.RequestHandler):
    """An HTTP connection with a client, optionally with a PROXY protocol header from a load balancer."""

    __slots__ = ("_client", "_content", "_in_request_line", "_preface", "admin_access")

    def __init__(
        self,
        manager: web.Server,
        *,
        admin_access: AdminAccess = AdminAccess.NONE,
        proxy_protocol: bool = False,
        **options: Any,
    ) -> None:
        """Create a connection.

        Args:
            manager: The aiohttp server.
            admin_access: Who can access the admin pages at the address that the client connected to.
            proxy_protocol: Whether the connection starts with a PROXY protocol header.
            options: Options of aiohttp's `RequestHandler`.

        """
        super().__init__(manager, **options)
        self.admin_access = admin_access
        # Bytes of an incomplete PROXY protocol header; None after the header, or if there is none.
        self._preface: bytes | None = b"" if proxy_protocol else None
        self._client: str | None = None
        self._content: StreamReader | None = None
        self._in_request_line = True

    @property
    def peername(self) -> Any:
        """The client's address from the PROXY protocol header if there is one, otherwise from the socket."""
        address = super().peername
        return (self._client, *address[1:]) if self._client and isinstance(address, tuple) else address

    def data_received(self, data: bytes) -> None:
        """Process received bytes; a PROXY protocol header is removed before HTTP is parsed."""
        if self._preface is None:
            self._parse(data)
            return
        self._preface += data
        try:
            header = read_proxy_header(self._preface)
        except ProxyProtocolError as error:
            # Without a valid header, the peer may not speak HTTP, so no error response is sent.
            log.warning("connection rejected", reason=str(error))
            self.force_close()
            return
        if header:
            rest, self._preface, self._client = self._preface[header.size :], None, header.client
            self._parse(rest)

    def _parse(self, data: bytes) -> None:
        """Parse HTTP. If a body is malformed, its reader gets an exception instead of waiting forever."""
        if self._in_request_line:
            line, end, rest = data.partition(b"\n")
            data = escaped(line) + end + rest
            self._in_request_line = not end
        before = len(self._messages)
        super().data_received(data)
        for message, content in list(self._messages)[before:]:
            if not hasattr(message, "exc"):
                self._content = content
            elif self._content is not None and not self._content.is_eof():
                self._content.set_exception(web.RequestPayloadError())
        if self._content is not None and self._content.is_eof():
            self._content, self._in_request_line = None, True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request
    ) -> web.StreamResponse:
        """Return an error response to invalid HTTP; the rest of the connection is not read."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has already started")
        kind, reason = next(
            (kind, text) for type_, kind, text in _PARSER_ERRORS if isinstance(exc or Exception(), type_)
        )
        log.info("request rejected", client=request.remote, reason=reason)
        answer = error_answer(status, kind, reason)
        answer.force_close()
        return answer


def admin_access(request: web.BaseRequest) -> AdminAccess:
    """Return who can access the admin pages at the address that received a request."""
    connection = request.protocol
    return connection.admin_access if isinstance(connection, Connection) else AdminAccess.NONE
