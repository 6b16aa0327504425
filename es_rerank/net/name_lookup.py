"""Looks up host names, each in a thread of its own.

By default, asyncio's lookups share a few threads. While all of these threads wait for a DNS server that does not
respond, for example for the names of the rerank servers, no other name could be looked up, such as the engine's.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from aiohttp.resolver import ThreadedResolver

Result = TypeVar("Result")


def resolver() -> ThreadedResolver:
    """Return a resolver for aiohttp, which looks up a name once even if many connections wait for it."""
    return ThreadedResolver(cast("asyncio.AbstractEventLoop", _Lookups()))


class _Lookups:
    """The methods of an event loop that `ThreadedResolver` calls."""

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> list[Any]:
        """Return the addresses of a host name. Raises OSError."""
        try:
            return await _in_own_thread(partial(socket.getaddrinfo, host, port, **options))
        except RuntimeError:
            # No thread can be started.
            return await asyncio.get_running_loop().getaddrinfo(host, port, **options)

    async def getnameinfo(self, address: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        """Return the host and port of an address as text. Raises OSError."""
        return await _in_own_thread(partial(socket.getnameinfo, address, flags))


async def _in_own_thread(function: Callable[[], Result]) -> Result:
    """Return the result of a function that is called in a new daemon thread.

    Raises:
        RuntimeError: No thread can be started.

    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def finish(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        # The caller may have been canceled.
        if not future.done():
            set_outcome(outcome)

    def run() -> None:
        try:
            call = partial(finish, future.set_result, function())
        except Exception as error:  # noqa: BLE001 - it is raised in the caller
            call = partial(finish, future.set_exception, error)
        # The event loop may have been closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(call)

    threading.Thread(target=run, daemon=True).start()
    return await future
