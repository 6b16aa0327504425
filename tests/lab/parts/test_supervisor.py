"""What ends is started again: real processes, that die as they are told."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from es_rerank_lab.parts import process as parts_process
from es_rerank_lab.parts import supervisor as parts_supervisor
from es_rerank_lab.parts.cache import RunFolder
from es_rerank_lab.parts.process import Command, Process
from es_rerank_lab.parts.running import Running
from es_rerank_lab.parts.supervisor import Supervisor

Start = Callable[..., Running]
# Notes that it was started; is up unless this is one of the starts that fail.
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
        monkeypatch.setattr(module, "POLL_S", 0.005)
    monkeypatch.setattr(parts_supervisor, "_FIRST_S", 0.25)
    monkeypatch.setattr(parts_supervisor, "_MOST_S", 0.75)


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


def wait_for(found: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.002)


def test_a_part_that_is_killed_is_started_again_and_the_others_are_left_alone(start: Start) -> None:
    part, other = start(), start()
    before, said = part.pid, list[str]()
    with Supervisor([part, other], said.append):
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: len(said) == 2)
    assert said[0] == "part ended with exit code -9; it is started again in 0.25 s"
    assert re.fullmatch(r"part answers again, after \d+ s", said[1])
    assert part.exit_code is None
    assert part.pid != before
    assert (starts(part), starts(other)) == (2, 1)


def test_the_pause_grows_while_starts_fail_and_the_end_of_the_log_is_said(start: Start) -> None:
    part, said = start("2 3 4"), list[str]()
    part.process.kill()
    with Supervisor([part], said.append):
        wait_for(lambda: any("answers again" in line for line in said))
    pauses = [line.rpartition(" in ")[2] for line in said if "started again" in line]
    assert pauses == ["0.25 s", "0.5 s", "0.75 s", "0.75 s"]
    failed = [line for line in said if line.startswith("part ended at its start with exit code 7.")]
    assert [line.splitlines()[-1] for line in failed] == ["out of memory"] * 3
    assert starts(part) == 5


def test_a_part_that_stayed_up_for_long_is_not_made_to_wait(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_supervisor, "_SOON_S", 0.0)
    part, said = start(), list[str]()
    with Supervisor([part], said.append):
        for times in (1, 2):
            os.kill(part.pid, signal.SIGKILL)
            wait_for(lambda most=2 * times: len(said) == most)
    assert [line.rpartition(" in ")[2] for line in said[::2]] == ["0.25 s", "0.25 s"]


def test_after_its_block_nothing_is_started(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_supervisor, "_FIRST_S", 60.0)
    part, said = start(), list[str]()
    with Supervisor([part], said.append):
        part.process.kill()
        wait_for(lambda: len(said) == 1)
    assert starts(part) == 1


def test_a_start_under_way_does_not_hold_up_the_end(start: Start) -> None:
    part, said = start(), list[str]()
    hanging = Running(title="part", url=part.url, process=part.process, run=part.run, ready=lambda: False)
    part.process.kill()
    with Supervisor([hanging], said.append):
        wait_for(lambda: starts(part) == 2)
    assert part.exit_code is None
    assert len(said) == 1
