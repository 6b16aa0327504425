"""Copies a body from one connection to another without joining its chunks in memory."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import StreamReader
from aiohttp.http import StreamWriter

# A larger batch would not fit into the CPU cache, and would delay bytes that have already arrived.
_MAX_BATCH_BYTES = 256 * 1024


async def copy_stream(source: StreamReader, sink: StreamWriter) -> None:
    """Write all of *source* to *sink*, reading only as fast as the receiver accepts data.

    Raises:
        ConnectionResetError: The receiver has closed the connection.
        Exception: Any error raised while reading from *source*.

    """
    sink.send_headers()
    copied = 0
    while chunks := await _buffered(source, copied):
        size = sum(map(len, chunks))
        copied += size
        transport = sink.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection was closed before the end of the body")
        transport.writelines([b"%x\r\n" % size, *chunks, b"\r\n"] if sink.chunked else chunks)
        sink.output_size += size
        await sink.drain()


async def _buffered(source: StreamReader, copied: int) -> Sequence[bytes]:
    """Wait for data and return the buffered chunks, up to one batch; empty at the end of the stream.

    `copied` is the number of bytes read so far.
    """
    chunks: list[bytes] = []
    size = 0
    # `readchunk` blocks forever on a stream that never had any data, so check for the end of the stream first.
    while not source.at_eof() and (not chunks or (copied + size < source.total_bytes and size < _MAX_BATCH_BYTES)):
        chunk, _ = await source.readchunk()
        if chunk:
            chunks.append(chunk)
            size += len(chunk)
    return chunks
