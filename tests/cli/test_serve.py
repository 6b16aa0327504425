from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.cli import serve as serving
from es_rerank.cli.reload import SettingsReader
from es_rerank.cli.serve import until_stopped
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.testing import until
from tests.cli.conftest import Run


def events(lines: Sequence[MutableMapping[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


@pytest.mark.parametrize("flag", ["listen", "admin-listen"])
def test_a_port_in_use_is_reported(run: Run, flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        places = {"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", flag: place}
        words = [word for name, value in places.items() for word in (f"--{name}", value)]
        result = run("serve", *words, "--no-self-test", "--tokenizer", "estimate")
    assert isinstance(result.exception, EsRerankError)
    assert str(result.exception) == (
        f"cannot listen on {place}: it is in use by another program; choose another with --{flag}"
    )


def test_invalid_settings_are_reported_before_the_start(run: Run, tmp_path: Path) -> None:
    free = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--tokenizer", "estimate")
    assert isinstance(run("serve", *free, "--window", "0").exception, ConfigError)
    assert isinstance(run("serve", *free, "--mappings", str(tmp_path / "none")).exception, ConfigError)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_stops_it(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0", self_test=False, tokenizer="estimate")
    loop = asyncio.get_running_loop()
    calls: list[str] = []
    # The objects of the tests would be frozen too.
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    with capture_logs() as lines:
        running = asyncio.create_task(until_stopped(settings, SettingsReader({})))
        await until(lambda: "listening" in events(lines))
        assert calls == ["freeze"], "garbage collections visit all objects of startup"
        signal.raise_signal(number)
        await asyncio.wait_for(running, 5)
    loop.remove_signal_handler(signal.SIGINT)
    loop.remove_signal_handler(signal.SIGTERM)
    assert events(lines)[-1] == "stopped"


async def test_it_drains_until_it_is_signalled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    repeated, counted, delivered = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    # Handlers run in the order of the signals.
    loop.add_signal_handler(signal.SIGUSR1, delivered.set)

    async def ignore_repeated_signals(_seconds: float) -> None:
        await repeated.wait()
        counted.set()

    monkeypatch.setattr(serving, "_ignore_repeated_signals", ignore_repeated_signals)
    places = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"}
    settings = Settings.model_validate({**places, "self_test": False, "tokenizer": "estimate", "drain_delay": "600s"})
    with capture_logs() as lines:
        running = asyncio.create_task(until_stopped(settings, SettingsReader({})))
        await until(lambda: "listening" in events(lines))
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: "draining" in events(lines))
        # A service manager signals all processes, and the parent signals its workers.
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR1)
        await delivered.wait()
        repeated.set()
        await counted.wait()
        await asyncio.sleep(0.1)  # were the signal not ignored, it would end in this time
        assert not running.done()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(running, 5)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        loop.remove_signal_handler(number)
    assert events(lines)[-2:] == ["draining", "stopped"]


def test_the_endpoint_may_open_as_many_files_as_the_hard_limit() -> None:
    soft, hard = 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    options = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--backend", "identity"]
    limited = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))"
    program = [sys.executable, "-c", f"{limited}; os.execv(sys.executable, sys.argv[1:])"]
    command = [*program, sys.executable, "-m", "es_rerank", "serve", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            assert b'"event": "listening"' in process.stderr.readline()
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
        finally:
            process.kill()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_requested_during_startup_is_done_afterwards(workers: int, tmp_path: Path) -> None:
    rule, ready = tmp_path / "docs.yaml", tmp_path / "ready"
    # Reading the rules from a FIFO blocks until they are written.
    os.mkfifo(rule)
    ready.write_text("index: docs\n")
    places = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--workers", str(workers)]
    options = [*places, "--backend", "identity", "--mappings", str(tmp_path)]
    with subprocess.Popen([sys.executable, "-m", "es_rerank", "serve", *options], stderr=subprocess.PIPE) as process:
        try:
            with rule.open("w") as writing:
                process.send_signal(signal.SIGHUP)
                ready.replace(rule)
                writing.write("index: docs\nmode: off\n")
            assert process.stderr
            lines = [process.stderr.readline() for _ in range(3 * workers)]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert [b'"event": "reloaded"' in line for line in lines].count(True) == workers
