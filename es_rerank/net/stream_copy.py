"""Copies a body from one connection to another: what has come leaves in one go, and nothing is joined on the way."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import StreamReader
from aiohttp.http import StreamWriter

# More at a time falls out of the processor's cache, and holds back what has come meanwhile.
_MOST = 256 * 1024


async def copy_stream(source: StreamReader, sink: StreamWriter) -> None:
    """Write all of *source* to *sink*, and read no more than the other side takes.

    Raises what reading raises, and ConnectionResetError if the other side is gone.
    """
    sink.send_headers()
    moved = 0
    while pieces := await _at_hand(source, moved):
        size = sum(map(len, pieces))
        moved += size
        transport = sink.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection ended before the body")
        transport.writelines([b"%x\r\n" % size, *pieces, b"\r\n"] if sink.chunked else pieces)
        sink.output_size += size
        await sink.drain()


async def _at_hand(source: StreamReader, moved: int) -> Sequence[bytes]:
    """Wait for something to come and take what is there, as it lies there; nothing at the end.

    `moved` is how much has been taken before.
    """
    pieces: list[bytes] = []
    size = 0
    # A stream that is empty from the start never ends for those who wait for its chunks.
    while not source.at_eof() and (not pieces or (moved + size < source.total_bytes and size < _MOST)):
        piece, _ = await source.readchunk()
        if piece:
            pieces.append(piece)
            size += len(piece)
    return pieces
