"""A client connection. The response to invalid HTTP is an error in the engines' format, and closes the connection."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import StreamReader, web
from aiohttp.http import HttpRequestParser, RawRequestMessage

from es_rerank.server.listen.admin_access import AdminAccess
from es_rerank.server.listen.framing import FramingError, HeadTooLongError, MessageFraming
from es_rerank.server.listen.parser_errors import HEAD_TOO_LATE, head_too_long, invalid_http
from es_rerank.server.listen.proxy_protocol import ProxyProtocolError, read_proxy_header
from es_rerank.server.listen.request_checks import Rejection
from es_rerank.server.listen.write_timeout import WriteTimeoutHandler
from es_rerank.server.responses import error_answer

log = structlog.get_logger()

# Time limit for the head of a request (request line and headers). aiohttp only limits the time between two requests.
_HEAD_SECONDS = 30.0


class Connection(WriteTimeoutHandler):
    """An HTTP connection with a client, optionally with a PROXY protocol header from a load balancer."""

    __slots__ = (
        "_client",
        "_content",
        "_fault",
        "_framing",
        "_preface",
        "_received",
        "_rejected",
        "_timer",
        "admin_access",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        max_head: int,
        admin_access: AdminAccess = AdminAccess.NONE,
        proxy_protocol: bool = False,
        **options: Any,
    ) -> None:
        """Create a connection.

        Args:
            manager: The aiohttp server.
            max_head: Maximum size of the request line and the headers of a request together, in bytes.
            admin_access: Who can access the admin pages at the address that the client connected to.
            proxy_protocol: Whether the connection starts with a PROXY protocol header.
            options: Options of aiohttp's `RequestHandler`.

        """
        super().__init__(manager, max_line_size=max_head, max_field_size=max_head, **options)
        self.admin_access = admin_access
        # Bytes of an incomplete PROXY protocol header; None after the header, or if the connection has none.
        self._preface: bytes | None = b"" if proxy_protocol else None
        self._client: str | None = None
        self._framing = MessageFraming(max_head)
        self._timer: asyncio.TimerHandle | None = None
        # The body of the message that is being received, and the bytes that were not yet passed to the parser.
        self._content: StreamReader | None = None
        self._received = b""
        self._rejected = False
        # The response to a rejected request; None if the parser creates the response.
        self._fault: Rejection | None = None

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
        """Parse HTTP, one message at a time. *data* is empty to continue after a pause.

        The parser never gets the end of a message together with the start of the next one. Otherwise, it would drop a
        request after one with `Upgrade`, and would add the last trailer field of a body to the next request's headers.
        """
        if self._rejected or self._close or self._force_close:
            return
        self._received += data
        if not data:
            self._feed(b"")
        while self._received and self._is_reading:
            try:
                piece, self._received = self._framing.split(self._received)
            except HeadTooLongError:
                self._reject(head_too_long(self._framing.max_fields))
            except FramingError:
                # The parser creates the response. If it finds no error, the connection is closed without a response.
                piece, self._received = self._received, b""
                self._feed(piece)
                self._reject()
            else:
                self._feed(piece)
        if self._framing.has_begun and not self._timer:
            self._timer = self._loop.call_later(_HEAD_SECONDS, self._head_is_late)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        """Cancel the time limit for the head of a request."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        """Reject a request whose head has not arrived in time, unless the connection is being closed."""
        self._timer = None
        if self._is_reading:
            self._reject(HEAD_TOO_LATE)

    @property
    def _is_reading(self) -> bool:
        """Whether the parser accepts data. After a pause, aiohttp calls `data_received` without data."""
        paused = self._reading_paused or len(self._messages) >= self._max_msg_queue_size
        return not (paused or self._rejected or self._close or self._force_close)

    def _feed(self, piece: bytes) -> None:
        """Pass a piece of one message to the parser."""
        before = len(self._messages)
        super().data_received(piece)
        if self._upgraded and isinstance(self._parser, HttpRequestParser):
            # es-rerank declines upgrades of the protocol, so the following bytes are the next request.
            self._parser.set_upgraded(False)
            self._upgraded = False
        for message, content in list(self._messages)[before:]:
            self._begin(message, content)
        if self._framing.ended and not self._rejected:
            self._end()

    def _begin(self, message: Any, content: StreamReader) -> None:
        """Continue with the body of a message, or with the next message. After invalid HTTP, stop reading.

        If a body is malformed, its reader gets an exception instead of waiting forever.
        """
        self._stop_timer()
        if not isinstance(message, RawRequestMessage):
            self._rejected = True
            self._fail_body()
        elif not (self._framing.ended and self._framing.in_head):
            self._reject()
        elif content.is_eof():
            self._framing.next_message()
        else:
            self._content = content
            self._framing.body(None if message.chunked else int(message.headers["Content-Length"]))

    def _end(self) -> None:
        """Move on to the next message, once the parser has reached the end of the body too."""
        content = self._content
        if content is None or self._framing.in_head:
            self._reject()
            return
        if not (content.is_eof() or self._reading_paused):
            # The parser may have paused after a chunk without having stopped to read.
            super().data_received(b"")
        if content.is_eof():
            if self._framing.has_trailers:
                self._parser = self._new_parser()
            self._content = None
            self._framing.next_message()
        elif not self._reading_paused:
            self._reject()

    def _new_parser(self) -> HttpRequestParser:
        """Return a parser with the same limits, without state from earlier messages.

        aiohttp's parser keeps the last trailer field of a body until the next header field, which may be one of the
        next request. It also keeps a `Content-Encoding` in trailer fields until the end of the next head.
        """
        return HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )

    def _reject(self, rejection: Rejection | None = None) -> None:
        """Stop reading, because the end of a message is uncertain or because of *rejection*."""
        if self._rejected:
            return
        self._rejected, self._fault, self._received = True, rejection, b""
        if not self._fail_body():
            log.warning("connection rejected", reason=rejection.reason if rejection else "the end is not certain")
            queued = len(self._messages)
            # No message has this byte outside of a body. The parser's error is the response, after those in progress.
            super().data_received(b"\0")
            if len(self._messages) == queued:
                self.force_close()

    def _fail_body(self) -> bool:
        """Raise an exception in the reader of an incomplete body. Return whether there is one."""
        content = self._content
        if content is None or content.is_eof():
            return False
        error = web.RequestPayloadError()
        content.set_exception(error)
        # If the end of a chunk has just woken the reader, it waits again without a check for the exception.
        self._loop.call_soon(content.set_exception, error)
        return True

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
        status, kind, reason, _ = self._fault or invalid_http(status, exc)
        log.info("request rejected", client=request.remote, reason=reason)
        answer = error_answer(status, kind, reason)
        answer.force_close()
        return answer
