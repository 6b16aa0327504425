"""Several processes, real ones: `python -m es_rerank serve --workers`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from es_rerank.cli.workers import supervise
from es_rerank.config import Settings
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.listen.sockets import address, bind_all

WORKERS = 2
LIMIT_S = 60.0


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


def wait_for(found: object, what: str) -> None:
    assert callable(found)
    limit = time.monotonic() + LIMIT_S
    while not found():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


@contextmanager
def team(*flags: str, ports: int = 2) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """Run two workers on free ports; with *flags* that name other places, on so many *ports*."""
    bound = bind_all(Settings(listen="127.0.0.1:0", own_pages="127.0.0.1:0"))
    listen, pages = (address(one) for one in (*bound.listen, *bound.own_pages))
    bound.close()
    words = ["--workers", str(WORKERS), "--backend", "identity", "--upstream", "http://127.0.0.1:9"]
    words += ["--listen", listen, "--own-pages", pages, *flags]
    with subprocess.Popen([sys.executable, "-m", "es_rerank", "serve", *words], stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: len(children(process.pid, ports)) == WORKERS, "not up")
            yield process, listen, pages
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT_S)


def test_a_worker_that_dies_is_replaced_and_the_others_go_on_and_all_stop_together() -> None:
    with team() as (process, _, pages):
        first = children(process.pid)
        victim = first.pop()
        os.kill(victim, signal.SIGKILL)
        answers = [live(pages) for _ in range(20)]
        assert answers.count(True) > 10  # a connection that had been given to the dead one may be lost
        wait_for(lambda: len(children(process.pid) - {victim}) == WORKERS, "not replaced")
        assert first < children(process.pid)
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        everyone = children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
        assert process.stderr
        said = process.stderr.read()
        assert b"another takes its place" in said
        assert said.count(b'"event": "reloaded"') == WORKERS
    assert not any(psutil.pid_exists(pid) for pid in everyone)
    assert not live(pages)


def test_workers_end_when_their_parent_is_gone_and_count_together_before() -> None:
    with team() as (process, listen, pages):
        host, _, port = listen.partition(":")
        for _ in range(40):
            connection = HTTPConnection(host, int(port), timeout=5)
            connection.request("GET", "/_cat/health")
            assert connection.getresponse().status == 502
            connection.close()
        connection = HTTPConnection(pages, timeout=5)
        connection.request("GET", "/_rerank/metrics")
        assert b"es_rerank_passed_total 40.0\n" in connection.getresponse().read()
        connection.close()
        everyone = children(process.pid)
        process.kill()
        process.wait(LIMIT_S)
        wait_for(lambda: not any(psutil.pid_exists(pid) for pid in everyone), "workers go on")


def test_a_path_is_one_for_all_workers_and_the_own_pages_have_their_port(tmp_path: Path) -> None:
    path = tmp_path / "endpoint.sock"
    with team("--listen", f"unix:{path}", ports=1) as (_, _, pages):
        answers = []
        for _ in range(8):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"GET /_rerank/health/live HTTP/1.0\r\n\r\n")
                answers.append(client.recv(12))
        assert answers == [b"HTTP/1.0 502"] * 8
        assert [live(pages) for _ in range(8)] == [True] * 8


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"mappings": Path("/no/such/folder")}, ConfigError),
        ({"listen_certificate": Path("/no/such.pem"), "listen_key": Path("/no/such.key")}, ConfigError),
        ({"listen": "192.0.2.1:9280"}, EsRerankError),
        ({"listen": "127.0.0.1:0", "own_pages": "192.0.2.1:9281"}, EsRerankError),
    ],
)
def test_what_cannot_be_used_is_said_before_any_starts(more: dict[str, object], error: type[Exception]) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    with pytest.raises(error):
        supervise(Settings.model_validate({"workers": WORKERS, "backend": "identity", **more}), never)
