"""A real Redis for tests, from a Debian package: one server, optionally with TLS and users, or a small cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.debian import program
from tests.live.ports import free_ports

_LIMIT_S = 20.0
_SLOTS = 16384


class Redis:
    """A Redis server that can be killed and started again."""

    def __init__(self, folder: Path, port: int, flags: Sequence[str] = ()) -> None:
        self.port = port
        self._argv = [str(program("redis-server", "redis-server")), "--port", str(port), "--save", "", *flags]
        self._folder = folder
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and return when it accepts connections."""
        self._child = subprocess.Popen(self._argv, cwd=self._folder, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _LIMIT_S
        while not self._answers():
            assert self._child.poll() is None
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the server."""
        self._child.kill()
        self._child.wait()

    def pause(self) -> None:
        """Stop the process: connections stay open and get no answer."""
        os.kill(self._child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._child.pid, signal.SIGCONT)

    def command(self, *words: str) -> str:
        """Run a command with redis-cli, and return its output."""
        argv = [str(program("redis-tools", "redis-cli")), "-p", str(self.port), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=_LIMIT_S).stdout.strip()

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@contextmanager
def redis_server(folder: Path, *flags: str) -> Iterator[Redis]:
    """Run a Redis server without persistence."""
    (port,) = free_ports(1)
    server = Redis(folder, port, flags)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def redis_cluster(folder: Path, nodes: int = 3) -> Iterator[Sequence[Redis]]:
    """Run a cluster without replicas, in which every node has a part of the hash slots."""
    ports = free_ports(2 * nodes)
    with ExitStack() as stack:
        servers = []
        # By default, the nodes talk to each other at a port above 30,000, which a connection of another test may have.
        for number, (port, bus) in enumerate(zip(ports[:nodes], ports[nodes:], strict=True)):
            own = folder / str(number)
            own.mkdir()
            server = Redis(own, port, ["--cluster-enabled", "yes", "--cluster-port", str(bus)])
            stack.callback(server.kill)
            servers.append(server)
        hosts = [f"127.0.0.1:{port}" for port in ports[:nodes]]
        servers[0].command("--cluster", "create", *hosts, "--cluster-yes")
        deadline = time.monotonic() + _LIMIT_S
        while not all("cluster_state:ok" in one.command("cluster", "info") for one in servers):
            assert time.monotonic() < deadline, "the cluster is not complete"
            time.sleep(0.1)
        yield servers
