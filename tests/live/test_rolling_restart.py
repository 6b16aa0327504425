"""Two endpoints behind a real HAProxy, which are restarted one after the other under load."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from es_rerank.testing import until
from es_rerank_lab.parts.port import HOST
from es_rerank_lab.parts.probe import Probe
from es_rerank_lab.parts.process import Command, Process, await_ready
from tests.bench.load import reranker_flags
from tests.bench.serving import started
from tests.debian import program

from .endpoint import Endpoint, start_endpoint
from .fleet import searching
from .ports import free_ports

CONFIGURATION = Path(__file__).parent.parent.parent / "docker" / "haproxy" / "haproxy.cfg"
DRAIN = "5s"
LIMIT_S = 60.0
SEARCHES = 20


@contextmanager
def haproxy(folder: Path, endpoints: Sequence[Endpoint]) -> Iterator[str]:
    """Run HAProxy with the configuration of the compose file, and yield its URL."""
    (port,) = free_ports(1)
    env = {"LISTEN": f"{HOST}:{port}"}
    for number, endpoint in enumerate(endpoints, 1):
        env[f"ENDPOINT_{number}"] = endpoint.url.removeprefix("http://")
        env[f"ADMIN_PORT_{number}"] = endpoint.admin_listen.rpartition(":")[2]
    argv = [str(program("haproxy", "haproxy")), "-W", "-db", "-f", str(CONFIGURATION)]
    process = Process(Command(argv=argv, log=folder / "haproxy.log", env=env))
    try:
        url = f"http://{HOST}:{port}"
        await_ready(process, Probe(f"{url}/load/_field_caps").answers, "HAProxy", LIMIT_S)
        yield url
    finally:
        process.kill()


def restart(endpoint: Endpoint) -> None:
    """Stop an endpoint as a service manager does, and start it again at once with the same addresses."""
    os.kill(endpoint.process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        endpoint.process._child.wait(LIMIT_S)
    endpoint.process.again()
    await_ready(endpoint.process, Probe(f"{endpoint.admin_listen}/_rerank/health/ready").answers, "es-rerank", LIMIT_S)


async def restarted(url: str, endpoints: Sequence[Endpoint]) -> list[tuple[int, bool]]:
    """Restart all endpoints under load, and return the status of each search and whether it was reranked."""
    async with searching(url, at_once=4, pause=0.02) as samples:
        for endpoint in endpoints:
            count = len(samples)
            await until(lambda count=count: len(samples) > count + SEARCHES, LIMIT_S)
            await asyncio.to_thread(restart, endpoint)
            await asyncio.sleep(2)  # HAProxy finds that it is ready
        count = len(samples)
        await until(lambda: len(samples) > count + SEARCHES, LIMIT_S)
    return [(one.status, one.reranked) for one in samples]


def test_no_request_fails_while_the_endpoints_are_restarted_one_after_the_other(tmp_path: Path) -> None:
    with ExitStack() as stack:
        engine = stack.enter_context(started("tests.bench.recorded", "30"))
        model = stack.enter_context(started("tests.bench.paced", "2000000"))
        flags = (*reranker_flags(model), "--drain-delay", DRAIN, "--log-level", "warning")
        endpoints = []
        for number in range(2):
            endpoints.append(start_endpoint(engine, tmp_path / f"{number}.log", *flags))
            stack.callback(endpoints[-1].process.stop)
        url = stack.enter_context(haproxy(tmp_path, endpoints))
        found = asyncio.run(restarted(url, endpoints))
    assert set(found) == {(200, True)}
