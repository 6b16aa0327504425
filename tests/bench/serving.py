"""Servers in their own processes, each on a free port that it prints first."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


async def serve(app: web.Application) -> None:
    """Print the port and serve until the process is killed; a request ends when its client disconnects."""
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@contextmanager
def started(module: str, *arguments: str) -> Iterator[str]:
    """Run `python -m module`; yield its URL as soon as it has printed its port."""
    with starting(module, *arguments) as (url, _):
        yield url


@contextmanager
def starting(module: str, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `python -m module`; yield its URL and the process as soon as it has printed its port."""
    with subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", process
        finally:
            process.kill()
