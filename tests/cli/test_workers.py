"""Several processes, real ones: `python -m es_rerank serve --workers`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import psutil
import pytest

from es_rerank.cli import workers
from es_rerank.cli.reload import Reread
from es_rerank.cli.workers import supervise
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.server.listen.sockets import Sockets, address, bind_all
from es_rerank.testing import FakeResponse, FakeServer, search_response, serve_fake
from tests.server.test_app import CAPS, HITS

WORKERS = 2
PROGRAM = ("-m", "es_rerank", "serve")
LIMIT_S = 60.0


def sleeping(*_: object) -> None:
    """Take two seconds to end."""
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(2), sys.exit(0)))
    time.sleep(60)


def live(listen: str) -> bool:
    """Ask whether somebody answers."""
    connection = HTTPConnection(listen, timeout=5)
    try:
        connection.request("GET", "/_rerank/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def children(pid: int, ports: int = 2) -> set[int]:
    """Name the workers that listen on all their ports."""
    return {one.pid for one in psutil.Process(pid).children() if listens(one, ports)}


def listens(process: psutil.Process, ports: int) -> bool:
    with suppress(psutil.Error):
        return [one.status for one in process.net_connections("tcp")].count(psutil.CONN_LISTEN) == ports
    return False


def has(mask: str, pid: int, number: signal.Signals) -> bool:
    """Look whether a signal is among those that a process holds back (`SigBlk`) or takes (`SigCgt`)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(mask))
    return bool(int(found, 16) >> (number - 1) & 1)


def wait_for(found: object, what: str) -> None:
    assert callable(found)
    limit = time.monotonic() + LIMIT_S
    while not found():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


@dataclass
class Running:
    """A team, and where it listens and logs."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    ports: int
    listen: str
    pages: str

    def workers(self) -> set[int]:
        return children(self.process.pid, self.ports)

    def said(self) -> str:
        # The processes write where the file stands, so it must not be moved.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode()

    def reached(self, event: str, times: int) -> None:
        """Wait until something has been logged so many times."""
        wait_for(lambda: self.said().count(f'"event": "{event}"') >= times, f"{event} not {times} times")

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextmanager
def team(*flags: str, ports: int = 2) -> Iterator[Running]:
    """Run two workers on free ports; with *flags* that name other places, on so many *ports*."""
    bound = bind_all(Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0"))
    listen, pages = (address(one) for one in (*bound.listen, *bound.admin_listen))
    bound.close()
    words = ["--workers", str(WORKERS), "--backend", "identity", "--upstream", "http://127.0.0.1:9"]
    words += ["--listen", listen, "--admin-listen", pages, *flags]
    with TemporaryFile() as log, subprocess.Popen([sys.executable, *PROGRAM, *words], stderr=log) as process:
        running = Running(process, log, ports, listen, pages)
        try:
            running.reached("listening", WORKERS)
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT_S)


def test_a_worker_that_dies_is_replaced_and_the_others_go_on_and_all_stop_together() -> None:
    with team() as running:
        first = running.workers()
        victim = first.pop()
        os.kill(victim, signal.SIGKILL)
        answers = [live(running.pages) for _ in range(20)]
        assert answers.count(True) > 10  # a connection that had been given to the dead one may be lost
        running.reached("listening", WORKERS + 1)
        assert first < running.workers()
        running.tell(signal.SIGHUP)
        running.reached("reloaded", WORKERS)
        everyone = running.workers()
        running.tell(signal.SIGTERM)
        assert running.process.wait(LIMIT_S) == 0
        said = running.said()
        assert "another takes its place" in said
        assert said.count('"event": "reloaded"') == WORKERS
    assert len(everyone) == WORKERS
    assert not any(psutil.pid_exists(pid) for pid in everyone)
    assert not live(running.pages)


@pytest.mark.parametrize("reload", ["signal", "change"])
async def test_a_worker_in_the_place_of_a_dead_one_has_the_rules_of_the_others(reload: str, tmp_path: Path) -> None:
    rule = tmp_path / "docs.yaml"
    rule.write_text("index: docs\n")
    engine = FakeServer({"/docs/_field_caps": CAPS, "": FakeResponse(search_response(*HITS))})
    async with serve_fake(engine):
        with team("--upstream", engine.url, "--mappings", str(tmp_path), "--reload", reload) as running:
            assert await said_by_all(running) == {"reranked"}
            rule.write_text("index: docs\nmode: off\n")
            if reload == "signal":
                running.tell(signal.SIGHUP)
            await asyncio.to_thread(running.reached, "reloaded", WORKERS)
            assert await said_by_all(running) == {"skipped; why=off"}
            rule.write_text("index: docs\nmode: of\n")
            if reload == "change":
                await asyncio.to_thread(running.reached, "reload failed, all stays as it was", WORKERS)
            os.kill(running.workers().pop(), signal.SIGKILL)
            await asyncio.to_thread(running.reached, "listening", WORKERS + 1)
            assert await said_by_all(running) == {"skipped; why=off"}
            assert running.said().count("another takes its place") == 1


async def test_a_reload_that_is_asked_for_too_late_ends_no_search() -> None:
    engine = FakeServer({"/docs/_field_caps": CAPS, "": FakeResponse(search_response(*HITS), seconds=2.0)})
    async with serve_fake(engine):
        with team("--upstream", engine.url) as running:
            everyone = running.workers()
            searching = asyncio.create_task(asyncio.to_thread(outcome, running.listen))
            await engine.reached(2)
            running.tell(signal.SIGTERM)
            for _ in range(20):
                await asyncio.sleep(0.05)
                for pid in everyone:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGHUP)
            assert await searching == "reranked"
            assert await asyncio.to_thread(running.process.wait, LIMIT_S) == 0
            assert running.said().count('"event": "stopped"') == WORKERS


async def said_by_all(running: Running) -> set[str]:
    """Search until each worker has had some searches, and tell what became of them."""
    return {await asyncio.to_thread(outcome, running.listen) for _ in range(30)}


def outcome(listen: str) -> str:
    connection = HTTPConnection(listen, timeout=10)
    try:
        connection.request("GET", "/docs/_search?q=hose")
        found = connection.getresponse().headers["X-Rerank"]
        return found.partition("; window")[0]
    finally:
        connection.close()


def test_workers_may_take_their_time_to_drain_until_they_are_told_again() -> None:
    with team("--drain-delay", "60s") as running:
        running.tell(signal.SIGTERM)
        running.reached("draining", WORKERS)
        time.sleep(3.0)  # so that it is not taken for the same wish
        assert running.process.poll() is None
        running.tell(signal.SIGTERM)
        running.reached("stopped", WORKERS)
        assert running.process.wait(LIMIT_S) == 0


def test_a_drain_is_longer_than_any_patience_with_those_who_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_GRACE_SECONDS", 0.5)
    settings = Settings.model_validate({"workers": 1, "drain_delay": "60s", "backend": "identity"})
    team_ = workers.Team(settings, sleeping, Sockets(), workers.Latest(settings, Rules(settings), Reread({})))
    team_._processes = [process] = [team_._started()]
    wait_for(lambda: has("SigCgt", process.pid or 0, signal.SIGTERM), "not up")
    team_._end()
    assert team_._processes[0].exitcode == 0


def test_workers_end_when_their_parent_is_gone_and_count_together_before() -> None:
    with team() as running:
        process, pages = running.process, running.pages
        host, _, port = running.listen.partition(":")
        for _ in range(40):
            connection = HTTPConnection(host, int(port), timeout=5)
            connection.request("GET", "/_cat/health")
            assert connection.getresponse().status == 502
            connection.close()
        connection = HTTPConnection(pages, timeout=5)
        connection.request("GET", "/_rerank/metrics")
        assert b"es_rerank_passthrough_requests_total 40.0\n" in connection.getresponse().read()
        connection.close()
        everyone = children(process.pid)
        process.kill()
        process.wait(LIMIT_S)
        wait_for(lambda: not any(psutil.pid_exists(pid) for pid in everyone), "workers go on")


def test_a_path_is_one_for_all_workers_and_the_admin_listen_have_their_port(tmp_path: Path) -> None:
    path = tmp_path / "endpoint.sock"
    with team("--listen", f"unix:{path}", ports=1) as running:
        answers = []
        for _ in range(8):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"GET /_rerank/health/live HTTP/1.0\r\n\r\n")
                answers.append(client.recv(12))
        assert answers == [b"HTTP/1.0 502"] * 8
        assert [live(running.pages) for _ in range(8)] == [True] * 8


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"mappings": Path("/no/such/folder")}, ConfigError),
        ({"listen_certificate": Path("/no/such.pem"), "listen_key": Path("/no/such.key")}, ConfigError),
        ({"listen": "192.0.2.1:9280"}, EsRerankError),
        ({"listen": "127.0.0.1:0", "admin_listen": "192.0.2.1:9281"}, EsRerankError),
    ],
)
def test_what_cannot_be_used_is_said_before_any_starts(more: dict[str, object], error: type[Exception]) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    with pytest.raises(error):
        supervise(Settings.model_validate({"workers": WORKERS, "backend": "identity", **more}), Reread({}), never)
