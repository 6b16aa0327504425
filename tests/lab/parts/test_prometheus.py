from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from es_rerank_lab.parts import prometheus
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.prometheus import prometheus_program


@pytest.mark.parametrize("name", ["prometheus", "promtool"])
def test_the_programs_can_be_run(name: str) -> None:
    run = subprocess.run([prometheus_program(name), "--version"], capture_output=True, check=True, text=True)
    assert f"{name}, version " in run.stdout + run.stderr


def test_an_installed_program_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "promtool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert prometheus_program("promtool") == program


def test_without_apt_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prometheus, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(PartError, match="Install `prometheus` and `promtool`"):
        prometheus_program("promtool")
