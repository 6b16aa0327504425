from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.cli.reload import Reread
from es_rerank.cli.serve import until_stopped
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.testing import until
from tests.cli.conftest import Run


def told(lines: Sequence[MutableMapping[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


@pytest.mark.parametrize("flag", ["listen", "admin-listen"])
def test_a_taken_port_is_said_in_a_sentence(run: Run, flag: str) -> None:
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


def test_wrong_settings_start_nothing(run: Run, tmp_path: Path) -> None:
    assert isinstance(run("serve", "--window", "0").exception, ConfigError)
    assert isinstance(
        run("serve", "--mappings", str(tmp_path / "none"), "--tokenizer", "estimate").exception, ConfigError
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_runs_until_it_is_told_to_stop(number: signal.Signals) -> None:
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0", self_test=False, tokenizer="estimate")
    loop = asyncio.get_running_loop()
    with capture_logs() as lines:
        running = asyncio.create_task(until_stopped(settings, Reread({})))
        await until(lambda: "listening" in told(lines))
        signal.raise_signal(number)
        await asyncio.wait_for(running, 5)
    loop.remove_signal_handler(signal.SIGINT)
    loop.remove_signal_handler(signal.SIGTERM)
    assert told(lines)[-1] == "stopped"


async def test_it_goes_on_for_a_while_when_it_is_told_to_drain_and_ends_when_told_again() -> None:
    places = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"}
    settings = Settings.model_validate({**places, "self_test": False, "tokenizer": "estimate", "drain_delay": "60s"})
    with capture_logs() as lines:
        running = asyncio.create_task(until_stopped(settings, Reread({})))
        await until(lambda: "listening" in told(lines))
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: "draining" in told(lines))
        # A service manager tells all processes, and so does the parent.
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(1.0)
        assert not running.done()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(running, 5)
    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(signal.SIGINT)
    loop.remove_signal_handler(signal.SIGTERM)
    assert told(lines)[-2:] == ["draining", "stopped"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_that_is_asked_for_too_soon_is_done_once_it_can_be(workers: int, tmp_path: Path) -> None:
    rule, ready = tmp_path / "docs.yaml", tmp_path / "ready"
    # Who reads the rules waits for whoever writes them.
    os.mkfifo(rule)
    ready.write_text("index: docs\n")
    places = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--workers", str(workers)]
    words = [*places, "--backend", "identity", "--mappings", str(tmp_path)]
    with subprocess.Popen([sys.executable, "-m", "es_rerank", "serve", *words], stderr=subprocess.PIPE) as process:
        try:
            with rule.open("w") as writing:
                process.send_signal(signal.SIGHUP)
                ready.replace(rule)
                writing.write("index: docs\nmode: off\n")
            assert process.stderr
            said = [process.stderr.readline() for _ in range(2 * workers)]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert [b'"event": "reloaded"' in line for line in said].count(True) == workers
