import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from es_rerank_lab.parts import process as parts_process
from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.process import Command, Process, await_ready

Start = Callable[[str], Process]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setattr(parts_process, "POLL_S", 0.005)

    def start_script(script: str) -> Process:
        return Process(Command(argv=["/bin/sh", "-c", script], log=tmp_path / "log", env={"PATH": "/usr/bin:/bin"}))

    return start_script


def gone(group: int) -> bool:
    """Whether nothing of the group still runs; what only waits to be reaped does not count."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            states.append(fields[0])
    return all(state in "ZX" for state in states)


def test_a_process_is_ready_when_it_says_so_and_stops(start: Start) -> None:
    process = start("echo started; exec sleep 60")
    await_ready(process, lambda: "started" in process.tail(), "sleeper", 10)
    process.stop()
    process.stop()
    assert process.exit_code == -signal.SIGTERM


def test_a_process_that_ends_at_its_start_shows_the_end_of_its_log(start: Start) -> None:
    process = start("seq 1 30; exit 3")
    with pytest.raises(PartError, match=r"(?s)sleeper ended at its start with exit code 3\..*\n11\n.*\n30$") as caught:
        await_ready(process, lambda: False, "sleeper", 10)
    assert "\n10\n" not in str(caught.value)
    process.kill()


def test_the_cause_is_seen_above_a_javas_stack(start: Start) -> None:
    process = start(r"echo disk full; for i in $(seq 40); do printf '\tat org.Frame\n'; done; exec sleep 60")
    await_ready(process, lambda: process.log.read_text().count("Frame") == 40, "java", 10)
    assert process.tail() == "disk full"
    process.kill()


def test_a_process_that_never_answers_is_given_up(start: Start) -> None:
    process = start("echo thinking; exec sleep 60")
    with pytest.raises(PartError, match="did not answer within 0 s"):
        await_ready(process, lambda: False, "sleeper", 0)
    process.kill()


def test_one_that_does_not_want_to_end_is_killed_with_its_children(start: Start) -> None:
    process = start('trap "" TERM; sleep 60 & echo ready; wait; wait')
    await_ready(process, lambda: "ready" in process.tail(), "stubborn", 10)
    process.stop(grace_s=0.01)
    assert process.exit_code == -signal.SIGKILL
    while Path("/proc").is_dir() and not gone(process.pid):
        time.sleep(0.001)


def test_it_runs_again_when_all_of_its_group_is_gone(start: Start) -> None:
    process = start("sleep 60 & echo ready; wait")
    await_ready(process, lambda: "ready" in process.tail(), "sleeper", 10)
    first = process.pid
    os.kill(first, signal.SIGKILL)
    process.again()
    assert process.pid != first
    await_ready(process, lambda: process.tail() == "ready\nready", "sleeper", 10)
    assert process.exit_code is None
    while Path("/proc").is_dir() and not gone(first):
        time.sleep(0.001)
    process.kill()
    assert process._guard.returncode is not None


def test_the_group_ends_when_we_are_gone(start: Start) -> None:
    process = start("exec sleep 60")
    guard = process._guard.stdin
    assert guard is not None
    os.close(os.dup(guard.fileno()))
    guard.close()
    assert process._child.wait(10) == -signal.SIGKILL
    process._guard.wait(10)


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="Cannot run /nowhere/engine"):
        Process(Command(argv=["/nowhere/engine"], log=tmp_path / "log", env={}))


def test_a_user_we_may_not_become_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(parts_process.subprocess, "Popen", refuse)
    with pytest.raises(PartError, match="as user nobody"):
        Process(Command(argv=["x"], log=tmp_path / "log", env={}, account=Account("nobody", 1, 1, switch=True)))


def test_no_log_has_no_end(start: Start, tmp_path: Path) -> None:
    process = start("exec sleep 60")
    (tmp_path / "log").unlink()
    assert process.tail() == ""
    process.kill()
