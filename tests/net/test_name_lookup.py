from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from es_rerank.net.name_lookup import resolver
from es_rerank.testing import FakeServer, fake_settings, running_endpoint
from tests.server.handlers.engine import HOSE, running

# More names than the executor of an event loop has threads.
SILENT = [f"silent-{number}.example" for number in range(40)]


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Names whose lookup ends without an address when the event is set."""
    lookup, released = socket.getaddrinfo, threading.Event()

    def waiting(host: Any, *arguments: Any, **options: Any) -> Any:
        if host in SILENT:
            released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return lookup(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", waiting)
    yield released
    released.set()


async def test_names_whose_lookup_does_not_end_delay_no_other_lookup(silent_names: threading.Event) -> None:
    names = resolver()
    waiting = [asyncio.create_task(names.resolve(name, 80)) for name in SILENT]
    (found, *_) = await names.resolve("localhost", 80, socket.AF_INET)
    assert (found["host"], found["port"]) == ("127.0.0.1", 80)
    waiting[0].cancel()
    silent_names.set()
    first, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert {type(one) for one in others} == {socket.gaierror}


async def test_without_a_thread_the_event_loop_looks_up_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    loop, found = asyncio.get_running_loop(), [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    async def getaddrinfo(*_: object, **__: object) -> list[Any]:
        return found

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    (address,) = await resolver().resolve("localhost", 80)
    assert address["host"] == "127.0.0.1"


async def test_a_name_that_cannot_be_encoded_is_an_error() -> None:
    with pytest.raises(UnicodeError):
        await asyncio.wait_for(resolver().resolve("a" * 64 + ".example", 80), 20)


def test_a_lookup_may_end_after_the_event_loop(silent_names: threading.Event) -> None:
    async def start() -> None:
        asyncio.get_running_loop().create_task(resolver().resolve(SILENT[0], 80))
        await asyncio.sleep(0)

    before = set(threading.enumerate())
    asyncio.run(start())
    (thread,) = set(threading.enumerate()) - before
    silent_names.set()
    thread.join()
    assert thread.daemon


@pytest.mark.usefixtures("silent_names")
async def test_while_the_names_of_rerank_servers_cannot_be_looked_up_searches_get_the_engines_order() -> None:
    async with running() as (_, engine, _):
        named = engine.url.replace("127.0.0.1", "localhost")
        rerankers = [FakeServer(url=f"http://{name}:8000") for name in SILENT]
        settings = fake_settings(None, rerankers, upstream=named, deadline="1s", self_test=True)
        async with running_endpoint(settings) as proxy:
            replies = [await proxy.send("POST", "/docs/_search", HOSE) for _ in range(2)]
    assert [(one.status, one.ids[:2]) for one in replies] == [(200, ["1", "2"])] * 2
