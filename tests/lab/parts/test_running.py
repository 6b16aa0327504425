"""Running parts and their folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from es_rerank_lab.parts.cache import RunFolder
from es_rerank_lab.parts.process import Command, Process
from es_rerank_lab.parts.running import Running


@pytest.fixture
def running(tmp_path: Path) -> Running:
    run = RunFolder(tmp_path, "part")
    command = Command(argv=["/bin/sh", "-c", "exec sleep 60"], log=run.path / "log", env=dict(os.environ))
    return Running(title="sleeper", url="http://127.0.0.1:1", process=Process(command), run=run, ready=lambda: True)


@pytest.mark.parametrize("end", [Running.stop, Running.kill])
def test_its_folder_is_removed_when_it_ends(running: Running, end: Callable[[Running], None]) -> None:
    assert running.exit_code is None
    assert running.log.parent == running.run.path
    end(running)
    end(running)
    assert running.exit_code is not None
    assert not running.run.path.exists()


def test_it_restarts_in_its_folder(running: Running) -> None:
    first = running.pid
    (running.run.path / "data").touch()
    running.process.kill()
    running.again()
    assert running.exit_code is None
    assert running.pid != first
    assert (running.run.path / "data").is_file()
    running.stop()


def test_it_stops_at_the_end_of_its_block(running: Running) -> None:
    with running as part:
        assert part.pid > 0
    assert running.exit_code is not None
