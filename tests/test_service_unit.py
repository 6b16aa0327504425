"""The unit of systemd: its command exists, and systemd accepts it where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parent.parent / "docker" / "systemd" / "es-rerank.service"
PROGRAM = "/opt/es-rerank/bin/es-rerank"


def lines(name: str) -> list[str]:
    return [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]


def test_the_unit_runs_a_command_that_exists(tmp_path: Path) -> None:
    (command,) = lines("ExecStart")
    program, *arguments = command.split()
    settings = tmp_path / "settings.yaml"
    settings.write_text("window: 1\n")
    arguments[arguments.index("/etc/es-rerank/settings.yaml")] = str(settings)
    done = subprocess.run(
        [sys.executable, "-m", "es_rerank", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert program == PROGRAM
    assert done.returncode != 0
    assert "settings.yaml:1: window" in done.stderr


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))
    if not (analyze := shutil.which("systemd-analyze")):
        assert copy.read_text().count("=") > 20, "without systemd, the unit is only read"
        return
    done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
