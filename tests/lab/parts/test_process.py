import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from es_rerank_lab.parts import process as parts_process
from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.process import Command, Process, await_ready
from tests.processes import wait_for

Start = Callable[[str], Process]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setattr(parts_process, "POLL_SECONDS", 0.005)

    def start_script(script: str) -> Process:
        return Process(Command(argv=["/bin/sh", "-c", script], log=tmp_path / "log", env={"PATH": "/usr/bin:/bin"}))

    return start_script


def gone(group: int) -> bool:
    """Return whether no process of the group is running; zombies do not count."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            states.append(fields[0])
    return all(state in "ZX" for state in states)


def test_a_process_becomes_ready_and_stops(start: Start) -> None:
    process = start("echo started; exec sleep 60")
    await_ready(process, lambda: "started" in process.tail(), "sleeper", 10)
    process.stop()
    process.stop()
    assert process.exit_code == -signal.SIGTERM


def test_a_process_that_ends_during_startup_is_reported_with_the_end_of_its_log(start: Start) -> None:
    process = start("seq 1 30; exit 3")
    with pytest.raises(
        PartError, match=r"(?s)sleeper ended during startup with exit code 3\..*\n11\n.*\n30$"
    ) as caught:
        await_ready(process, lambda: False, "sleeper", 10)
    assert "\n10\n" not in str(caught.value)
    process.kill()


def test_frames_of_java_stack_traces_are_omitted(start: Start) -> None:
    process = start(r"echo disk full; for i in $(seq 40); do printf '\tat org.Frame\n'; done; exec sleep 60")
    await_ready(process, lambda: process.log.read_text().count("Frame") == 40, "java", 10)
    assert process.tail() == "disk full"
    process.kill()


def test_a_process_that_never_answers_is_reported(start: Start) -> None:
    process = start("echo thinking; exec sleep 60")
    with pytest.raises(PartError, match="did not answer within 0 s"):
        await_ready(process, lambda: False, "sleeper", 0)
    process.kill()


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(start: Start) -> None:
    process = start('trap "" TERM; sleep 60 & echo ready; wait; wait')
    await_ready(process, lambda: "ready" in process.tail(), "stubborn", 10)
    process.stop(grace_seconds=0.01)
    assert process.exit_code == -signal.SIGKILL
    wait_for(lambda: not Path("/proc").is_dir() or gone(process.pid))


def test_a_restart_kills_the_rest_of_the_process_group(start: Start) -> None:
    process = start("sleep 60 & echo ready; wait")
    await_ready(process, lambda: "ready" in process.tail(), "sleeper", 10)
    first = process.pid
    os.kill(first, signal.SIGKILL)
    process.again()
    assert process.pid != first
    await_ready(process, lambda: process.tail() == "ready\nready", "sleeper", 10)
    assert process.exit_code is None
    wait_for(lambda: not Path("/proc").is_dir() or gone(first))
    process.kill()
    assert process._guard.returncode is not None


def test_the_process_group_ends_with_its_parent(start: Start) -> None:
    process = start("exec sleep 60")
    guard = process._guard.stdin
    assert guard is not None
    os.close(os.dup(guard.fileno()))
    guard.close()
    assert process._child.wait(10) == -signal.SIGKILL
    process._guard.wait(10)


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PartError, match="Cannot run /nowhere/engine"):
        Process(Command(argv=["/nowhere/engine"], log=tmp_path / "log", env={}))


def test_a_user_without_permission_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(parts_process.subprocess, "Popen", refuse)
    with pytest.raises(PartError, match="as user nobody"):
        Process(Command(argv=["x"], log=tmp_path / "log", env={}, account=Account("nobody", 1, 1, switch=True)))


def test_a_missing_log_is_empty(start: Start, tmp_path: Path) -> None:
    process = start("exec sleep 60")
    (tmp_path / "log").unlink()
    assert process.tail() == ""
    process.kill()
