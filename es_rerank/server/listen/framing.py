"""Finds where each message of a client connection ends, so that the HTTP parser gets one message at a time. No I/O.

Format: RFC 9112, sections 2.2 (blank lines before a request), 6 (message body) and 7.1 (chunked transfer coding). The
parser checks the syntax. If it finds the end of a message elsewhere, the connection is closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from es_rerank.net.limits import MAX_LINE_BYTES

_END_OF_HEAD = b"\r\n\r\n"
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")
# The size of a chunk in hexadecimal, of at most 64 bits, and optional extensions, which are ignored.
_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,16})(?:;[^\r\n]*)?\r\n")
_CRLF_BYTES = 2
# A line feed without a carriage return. The head is then passed to the parser at once, and the parser rejects it.
_BARE_LF = re.compile(rb"(?<!\r)\n")
# The engines accept and ignore long extensions of a chunk.
_MAX_CHUNK_LINE_BYTES = 4 * MAX_LINE_BYTES


class FramingError(ValueError):
    """The bytes are not a chunked body, or its trailer fields are too long."""


class HeadTooLongError(FramingError):
    """The request line and the headers together are too long."""


def escaped(line: bytes) -> bytes:
    """Percent-encode the non-ASCII bytes in a request line. The engines decode such bytes as Latin-1.

    Some clients send them, such as curl, but aiohttp's parser rejects them.
    """
    return _NOT_ASCII.sub(lambda match: quote(match[0].decode("latin-1")).encode(), line)


class MessageFraming:
    """The position in the current message of a connection: in its head (request line and headers), or in its body.

    Attributes:
        max_fields: Maximum size of a head, and of the trailer fields of a body, in bytes.
        ended: Whether all bytes of the head, or of the body, have been split off.
        in_head: Whether the position is in the head or at its end.
        has_trailers: Whether the chunked body ended with trailer fields.

    """

    def __init__(self, max_fields: int) -> None:
        """Start at the first message. See above for *max_fields*."""
        self.max_fields = max_fields
        self.next_message()

    @property
    def has_begun(self) -> bool:
        """Whether bytes of the current head have been split off, but not all."""
        return self.in_head and not self.ended and self._size > 0

    def next_message(self) -> None:
        """Move to the start of the next message."""
        self.ended = self.has_trailers = False
        self.in_head = self._in_request_line = True
        self._take: Callable[[bytes], int] = self._head
        # The last bytes of the head, which may be the start of its end; or an incomplete line of a chunked body.
        self._kept = b""
        # The size of the head or of the trailer fields so far, in bytes.
        self._size = 0
        # The headers of an incomplete head.
        self._fields = b""

    def body(self, size: int | None) -> None:
        """Move from the head to the body.

        Args:
            size: `Content-Length`, in bytes; None for a chunked body.

        """
        self.ended = self.in_head = False
        self._kept = b""
        self._left, self._size = size or 0, 0
        self._last_chunk = False
        self._take = self._chunked if size is None else self._sized

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """Split received bytes.

        Args:
            data: The received bytes that have not been split off yet.

        Returns:
            The bytes of the current head or body, for the parser, and the bytes after it. Blank lines before a request
            are dropped, and the request line is escaped.

        Raises:
            HeadTooLongError: The head is too long.
            FramingError: The bytes are not a chunked body, or its trailer fields are too long.

        """
        if self._in_request_line and not self._size:
            data = data.lstrip(b"\r\n")
        size = self._take(data)
        piece, rest = data[:size], data[size:]
        return self._complete(piece) if self.in_head else piece, rest

    def _complete(self, piece: bytes) -> bytes:
        """Return the bytes of the head for the parser: the request line as it arrives, then all headers at once.

        An incomplete head of many short headers would need thirty times as much memory in the parser.
        """
        line = b""
        if self._in_request_line:
            line, end, piece = piece.partition(b"\n")
            self._in_request_line = not end
            line = escaped(line) + end
        known = len(self._fields)
        self._fields += piece
        if not self.ended and not _BARE_LF.search(self._fields, known):
            return line
        fields, self._fields = self._fields, b""
        return line + fields

    def _head(self, data: bytes) -> int:
        """Return the number of bytes that belong to the head, which ends with the first empty line."""
        known = self._kept + data
        at = known.find(_END_OF_HEAD)
        size = len(data) if at < 0 else at + len(_END_OF_HEAD) - len(self._kept)
        self._size += size
        if self._size > self.max_fields:
            raise HeadTooLongError
        self._kept = known[1 - len(_END_OF_HEAD) :]
        self.ended = at >= 0
        return size

    def _sized(self, data: bytes) -> int:
        """Return the number of bytes that belong to a body with `Content-Length`."""
        size = min(self._left, len(data))
        self._left -= size
        self.ended = not self._left
        return size

    def _chunked(self, data: bytes) -> int:
        """Return the number of bytes that belong to a chunked body."""
        at = 0
        while at < len(data) and not self.ended:
            if self._left:
                size = min(self._left, len(data) - at)
                self._left -= size
                at += size
                continue
            end = data.find(b"\n", at) + 1
            self._kept += data[at : end or len(data)]
            if len(self._kept) > _MAX_CHUNK_LINE_BYTES:
                raise FramingError("a line of a chunked body is too long")
            at = end or len(data)
            if end:
                self._line(self._kept)
                self._kept = b""
        return at

    def _line(self, line: bytes) -> None:
        """Read one line of a chunked body: the size of a chunk, a trailer field, or the empty line at the end."""
        if self._last_chunk:
            self._size += len(line)
            if self._size > self.max_fields:
                raise FramingError("the trailer fields are too long")
            self.ended = line == b"\r\n"
            self.has_trailers = self.has_trailers or not self.ended
            return
        found = _CHUNK_LINE.fullmatch(line)
        if not found:
            raise FramingError("the size of a chunk is malformed")
        size = int(found[1], 16)
        self._last_chunk = not size
        self._left = size + _CRLF_BYTES if size else 0
