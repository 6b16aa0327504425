"""Parts that end are restarted: real processes."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from es_rerank_lab.parts import process as parts_process
from es_rerank_lab.parts import supervisor as parts_supervisor
from es_rerank_lab.parts.cache import RunFolder
from es_rerank_lab.parts.process import Command, Process
from es_rerank_lab.parts.running import Running
from es_rerank_lab.parts.supervisor import Supervisor
from tests.processes import wait_for

Start = Callable[..., Running]
# Counts its starts, and fails at those that are listed.
SCRIPT = """
echo start >> starts
for failing in {fails}; do
    if [ $(wc -l < starts) = $failing ]; then echo out of memory; exit 7; fi
done
echo $$ > up
exec sleep 60
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parts_process, parts_supervisor):
        monkeypatch.setattr(module, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(parts_supervisor, "_MIN_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(parts_supervisor, "_MAX_PAUSE_SECONDS", 0.03)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as started:

        def one(fails: str = "") -> Running:
            run = RunFolder(tmp_path, "part")
            argv = ["/bin/sh", "-c", SCRIPT.format(fails=fails)]
            process = Process(Command(argv=argv, log=run.path / "log", env=dict(os.environ), cwd=run.path))
            up = run.path / "up"

            def ready() -> bool:
                return up.is_file() and up.read_text() == f"{process.pid}\n"

            part = Running(title="part", url="http://127.0.0.1:1", process=process, run=run, ready=ready)
            started.enter_context(part)
            wait_for(ready)
            return part

        yield one


def starts(part: Running) -> int:
    return len((part.run.path / "starts").read_text().splitlines())


def test_a_killed_part_is_restarted_and_the_others_keep_running(start: Start) -> None:
    part, other = start(), start()
    before, messages = part.pid, list[str]()
    with Supervisor([part, other], messages.append):
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: len(messages) == 2)
    assert messages[0] == "part ended with exit code -9; restarting in 0.01 s"
    assert re.fullmatch(r"part answers again after \d+ s", messages[1])
    assert part.exit_code is None
    assert part.pid != before
    assert (starts(part), starts(other)) == (2, 1)


def test_processes_that_outlive_a_part_are_killed_before_the_pause(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(parts_supervisor, "_MIN_PAUSE_SECONDS", 60.0)
    run = RunFolder(tmp_path, "part")
    argv = ["/bin/sh", "-c", "sleep 60 & echo $! > child; exec sleep 60"]
    process = Process(Command(argv=argv, log=run.path / "log", env=dict(os.environ), cwd=run.path))
    child = run.path / "child"
    with Running(title="part", url="", process=process, run=run, ready=child.is_file) as part:
        wait_for(lambda: child.is_file() and child.read_text().endswith("\n"))
        left = psutil.Process(int(child.read_text()))
        os.kill(part.pid, signal.SIGKILL)
        with Supervisor([part], lambda _: None):
            wait_for(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE)


def test_the_pause_grows_while_starts_fail_and_the_end_of_the_log_is_reported(start: Start) -> None:
    part, messages = start("2 3 4"), list[str]()
    part.process.kill()
    with Supervisor([part], messages.append):
        wait_for(lambda: any("answers again" in line for line in messages))
    pauses = [line.rpartition(" in ")[2] for line in messages if "restarting" in line]
    assert pauses == ["0.01 s", "0.02 s", "0.03 s", "0.03 s"]
    failed = [line for line in messages if line.startswith("part ended during startup with exit code 7.")]
    assert [line.splitlines()[-1] for line in failed] == ["out of memory"] * 3
    assert starts(part) == 5


def test_the_pause_stays_short_after_a_stable_run(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_supervisor, "_STABLE_SECONDS", 0.0)
    part, messages = start(), list[str]()
    with Supervisor([part], messages.append):
        for times in (1, 2):
            os.kill(part.pid, signal.SIGKILL)
            wait_for(lambda count=2 * times: len(messages) == count)
    assert [line.rpartition(" in ")[2] for line in messages[::2]] == ["0.01 s", "0.01 s"]


def test_nothing_is_restarted_after_the_block(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_supervisor, "_MIN_PAUSE_SECONDS", 60.0)
    part, messages = start(), list[str]()
    with Supervisor([part], messages.append):
        part.process.kill()
        wait_for(lambda: len(messages) == 1)
    assert starts(part) == 1


def test_a_restart_in_progress_does_not_delay_the_end_of_the_block(start: Start) -> None:
    part, messages = start(), list[str]()
    hanging = Running(title="part", url=part.url, process=part.process, run=part.run, ready=lambda: False)
    part.process.kill()
    with Supervisor([hanging], messages.append):
        wait_for(lambda: starts(part) == 2)
    assert part.exit_code is None
    assert len(messages) == 1
