from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from es_rerank.cli import main
from tests.cli.conftest import Run


def test_help_lists_the_commands(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in ("serve", "check", "model", "explain"))
    assert run("-h").output == result.output


@pytest.mark.parametrize("command", ["serve", "check", "explain", "model"])
def test_every_command_has_a_sentence(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output


def test_version(run: Run) -> None:
    assert run("--version").output.startswith("cli, version ")


def test_what_a_person_must_repair_is_one_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text("window: 3\nwindwo: 5\n")
    monkeypatch.setattr(sys, "argv", ["es-rerank", "check", "--config", str(tmp_path / "s.yaml")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == f"es-rerank: {tmp_path}/s.yaml:2: windwo: unknown key\n"


def test_the_package_can_be_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["es-rerank", "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("es_rerank", run_name="__main__")
    assert stopped.value.code == 0
    assert "Usage: " in capsys.readouterr().out
