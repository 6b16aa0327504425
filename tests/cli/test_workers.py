"""Several real processes: `es-rerank serve --workers`."""

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
from aiohttp import web

from es_rerank.cli import workers
from es_rerank.cli.reload import SettingsReader
from es_rerank.cli.workers import supervise
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.server.listen.sockets import Sockets, address, bind_all
from es_rerank.testing import FakeResponse, FakeServer, search_response, serve_fake, until
from tests.cli import slow_worker
from tests.processes import LIMIT_SECONDS, wait_for
from tests.server.handlers.engine import CAPS, HITS

WORKERS = 2
PROGRAM = ("-m", "tests.cli.program", "serve")
ROOT = Path(__file__).parent.parent.parent


def is_live(listen: str) -> bool:
    """Return whether the endpoint at an address answers."""
    connection = HTTPConnection(listen, timeout=5)
    try:
        connection.request("GET", "/_rerank/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def listening_children(pid: int, ports: int = 2) -> set[int]:
    """Return the pids of the workers that listen on all their ports."""
    return {child.pid for child in psutil.Process(pid).children() if listens(child, ports)}


def listens(process: psutil.Process, ports: int) -> bool:
    with suppress(psutil.Error):
        return [one.status for one in process.net_connections("tcp")].count(psutil.CONN_LISTEN) == ports
    return False


def in_signal_mask(mask: str, pid: int, number: signal.Signals) -> bool:
    """Return whether a signal is in a mask of a process: `SigBlk` (blocked) or `SigCgt` (handled)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(mask))
    return bool(int(value, 16) >> (number - 1) & 1)


@dataclass
class Running:
    """A running team of workers, its addresses and its log."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    ports: int
    listen: str
    admin_listen: str

    def workers(self) -> set[int]:
        return listening_children(self.process.pid, self.ports)

    def log_text(self) -> str:
        # The processes write at the position of the shared file, so it must not be moved.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode()

    def wait_for_event(self, event: str, times: int) -> None:
        """Wait until an event has been logged this often."""
        wait_for(lambda: self.log_text().count(f'"event": "{event}"') >= times, f"{event} not {times} times")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextmanager
def team(*flags: str, ports: int = 2) -> Iterator[Running]:
    """Run two workers on free ports; *flags* can name other addresses, of which *ports* are TCP ports."""
    bound = bind_all(Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0"))
    listen, admin_listen = (address(one) for one in (*bound.listen, *bound.admin_listen))
    bound.close()
    options = ["--workers", str(WORKERS), "--backend", "identity", "--upstream", "http://127.0.0.1:9"]
    options += ["--listen", listen, "--admin-listen", admin_listen, *flags]
    argv = [sys.executable, *PROGRAM, *options]
    with TemporaryFile() as log, subprocess.Popen(argv, stderr=log, cwd=ROOT) as process:
        running = Running(process, log, ports, listen, admin_listen)
        try:
            running.wait_for_event("listening", WORKERS)
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT_SECONDS)


def test_a_dead_worker_is_replaced_while_the_others_serve_and_all_stop_together() -> None:
    with team() as running:
        first = running.workers()
        victim = first.pop()
        os.kill(victim, signal.SIGKILL)
        answers = [is_live(running.admin_listen) for _ in range(20)]
        assert answers.count(True) > 10  # connections already assigned to the dead worker can be lost
        running.wait_for_event("listening", WORKERS + 1)
        assert first < running.workers()
        running.signal(signal.SIGHUP)
        running.wait_for_event("reloaded", WORKERS)
        everyone = running.workers()
        running.signal(signal.SIGTERM)
        assert running.process.wait(LIMIT_SECONDS) == 0
        log = running.log_text()
        assert "starting a replacement" in log
        assert log.count('"event": "reloaded"') == WORKERS
    assert len(everyone) == WORKERS
    assert not any(psutil.pid_exists(pid) for pid in everyone)
    assert not is_live(running.admin_listen)


@pytest.mark.parametrize("reload", ["signal", "change"])
async def test_the_replacement_of_a_dead_worker_has_the_rules_of_the_others(reload: str, tmp_path: Path) -> None:
    rule = tmp_path / "docs.yaml"
    rule.write_text("index: docs\n")
    engine = FakeServer({"/docs/_field_caps": CAPS, "": FakeResponse(search_response(*HITS))})
    async with serve_fake(engine):
        with team("--upstream", engine.url, "--mappings", str(tmp_path), "--reload", reload) as running:
            assert await outcomes_of_all(running) == {"reranked"}
            rule.write_text("index: docs\nmode: off\n")
            if reload == "signal":
                running.signal(signal.SIGHUP)
            await asyncio.to_thread(running.wait_for_event, "reloaded", WORKERS)
            assert await outcomes_of_all(running) == {"skipped; why=off"}
            rule.write_text("index: docs\nmode: of\n")
            if reload == "change":
                event = "reload failed, previous configuration kept"
                await asyncio.to_thread(running.wait_for_event, event, WORKERS)
            os.kill(running.workers().pop(), signal.SIGKILL)
            await asyncio.to_thread(running.wait_for_event, "listening", WORKERS + 1)
            assert await outcomes_of_all(running) == {"skipped; why=off"}
            assert running.log_text().count("starting a replacement") == 1


class HeldEngine(FakeServer):
    """An engine that answers searches when it is released."""

    released = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "_field_caps" not in request.path:
            await self.released.wait()
        return await super().handle(request)


async def test_a_reload_requested_during_shutdown_ends_no_search() -> None:
    engine = HeldEngine({"/docs/_field_caps": CAPS, "": FakeResponse(search_response(*HITS))})
    async with serve_fake(engine):
        with team("--upstream", engine.url) as running:
            everyone = running.workers()
            searching = asyncio.create_task(asyncio.to_thread(outcome, running.listen))
            await engine.reached(1)
            running.signal(signal.SIGTERM)

            def shutting_down() -> bool:
                for pid in everyone:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGHUP)
                return not running.workers()

            await until(shutting_down)
            assert shutting_down()  # and once more when no worker listens any longer
            engine.released.set()
            assert await searching == "reranked"
            assert await asyncio.to_thread(running.process.wait, LIMIT_SECONDS) == 0
            assert running.log_text().count('"event": "stopped"') == WORKERS


async def outcomes_of_all(running: Running) -> set[str]:
    """Search until each worker has had some searches, and return their outcomes."""
    return {await asyncio.to_thread(outcome, running.listen) for _ in range(30)}


def outcome(listen: str) -> str:
    connection = HTTPConnection(listen, timeout=10)
    try:
        connection.request("GET", "/docs/_search?q=hose")
        header = connection.getresponse().headers["X-Rerank"]
        return header.partition("; window")[0]
    finally:
        connection.close()


def test_workers_drain_until_they_are_signalled_again() -> None:
    with team("--drain-delay", "600s") as running:
        running.signal(signal.SIGTERM)
        running.wait_for_event("draining", WORKERS)
        assert is_live(running.admin_listen)
        assert running.process.poll() is None
        assert '"event": "stopped"' not in running.log_text()

        def signalled_again() -> bool:
            # Signals soon after the first one are ignored.
            running.signal(signal.SIGTERM)
            return running.log_text().count('"event": "stopped"') == WORKERS

        wait_for(signalled_again, "not stopped")
        assert running.process.wait(LIMIT_SECONDS) == 0


def test_workers_have_the_drain_delay_and_more_before_they_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_GRACE_SECONDS", 0.0)
    settings = Settings.model_validate({"workers": 1, "drain_delay": "60s", "backend": "identity"})
    latest = workers.LatestRules(settings, Rules(settings), SettingsReader({}))
    team_ = workers.Team(settings, slow_worker.work, Sockets(), latest)
    team_._processes = [process] = [team_._started()]
    wait_for(lambda: in_signal_mask("SigCgt", process.pid or 0, signal.SIGTERM), "not started")
    team_._end()
    assert team_._processes[0].exitcode == 0


def test_workers_share_their_metrics_and_end_with_their_parent() -> None:
    with team() as running:
        host, _, port = running.listen.partition(":")
        for _ in range(40):
            connection = HTTPConnection(host, int(port), timeout=5)
            connection.request("GET", "/_cat/health")
            assert connection.getresponse().status == 502
            connection.close()
        connection = HTTPConnection(running.admin_listen, timeout=5)
        connection.request("GET", "/_rerank/metrics")
        assert b"es_rerank_passthrough_requests_total 40.0\n" in connection.getresponse().read()
        connection.close()
        everyone = listening_children(running.process.pid)
        running.process.kill()
        running.process.wait(LIMIT_SECONDS)
        wait_for(lambda: not any(psutil.pid_exists(pid) for pid in everyone), "workers are still running")


def test_workers_share_a_unix_socket_and_the_port_of_the_admin_pages(tmp_path: Path) -> None:
    path = tmp_path / "endpoint.sock"
    with team("--listen", f"unix:{path}", ports=1) as running:
        answers = []
        for _ in range(8):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"GET /_rerank/health/live HTTP/1.0\r\n\r\n")
                answers.append(client.recv(12))
        assert answers == [b"HTTP/1.0 502"] * 8
        assert [is_live(running.admin_listen) for _ in range(8)] == [True] * 8


@pytest.mark.parametrize("count", [1, 2])
def test_signals_in_quick_succession_end_no_process_early(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are sent until the process has exited, also while it removes its handlers."""
    monkeypatch.setattr(sys.modules[__name__], "WORKERS", count)
    with team() as running:
        for _ in range(50):
            running.signal(signal.SIGHUP)
        while running.process.poll() is None:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                running.signal(number)
            # For some microseconds between the handlers and SIG_IGN, Python has no way to avoid the default action.
            time.sleep(0.005)
        assert running.process.returncode == 0
        text = running.log_text()
    assert text.count('"event": "stopped"') == count
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"mappings": Path("/no/such/folder")}, ConfigError),
        ({"listen_certificate": Path("/no/such.pem"), "listen_key": Path("/no/such.key")}, ConfigError),
        ({"listen": "192.0.2.1:9280"}, EsRerankError),
        ({"listen": "127.0.0.1:0", "admin_listen": "192.0.2.1:9281"}, EsRerankError),
    ],
)
def test_invalid_settings_are_reported_before_any_worker_starts(
    more: dict[str, object], error: type[Exception]
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    free = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"}
    settings = Settings.model_validate({"workers": WORKERS, "backend": "identity", **free, **more})
    with pytest.raises(error):
        supervise(settings, SettingsReader({}), never)
