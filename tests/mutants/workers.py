"""Runs tests against mutants, each worker in a temporary copy of the tree: the working tree is never changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

COPIED = (
    *("es_rerank", "lab", "tests", "mappings", "docs", "docker", "pyproject.toml", "Makefile"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
)
_IGNORED = shutil.ignore_patterns("__pycache__", "node_modules", ".*_cache")
_PYTEST = ("-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider")
# Exit statuses of pytest.
_PASSED, _FAILED = 0, 1
# Timeout: a multiple of the time without a mutant, plus a margin for shared machines.
_TIMES, _MORE_SECONDS = 4, 20.0
# Tests with servers and deadlines.
_TIMED = ("tests/server", "tests/rerank_client")


class Status(StrEnum):
    """The result of a mutant: killed by a test, survived all tests, or invalid because tests cannot be collected."""

    KILLED = "killed"
    SURVIVED = "survived"
    INVALID = "invalid"


class BrokenTestsError(Exception):
    """The tests fail without any mutant."""


@dataclass
class Worker:
    """A copy of the tree, and the Python that runs its tests.

    Attributes:
        deselected: Tests that are left out, as pytest names them.
        limits: Seconds that each set of tests may take; all workers share them.

    """

    root: Path
    python: Path
    deselected: Sequence[str] = ()
    limits: dict[tuple[str, ...], float] = field(default_factory=dict)

    def prepare(self, source: Path) -> None:
        """Copy the tree from *source*, and compile it so that a changed module is noticed by its content."""
        for name in COPIED:
            target = self.root / name
            if (source / name).is_dir():
                shutil.copytree(source / name, target, ignore=_IGNORED)
            elif (source / name).exists():
                shutil.copy2(source / name, target)
        command = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "es_rerank"]
        self._run(command, limit_seconds=300)
        where = self._run(["-c", "import es_rerank; print(es_rerank.__file__)"], limit_seconds=60)[1]
        if not where.startswith(str(self.root)):
            raise BrokenTestsError(f"the tests would import {where.strip()}, not the copy in {self.root}")

    def judge(self, path: str, changed: str, stages: Sequence[Sequence[str]]) -> Status:
        """Run sets of tests until one fails, with *changed* as the source of a module."""
        stages = [tests for tests in stages if tests]
        for tests in stages:
            self._measure(tuple(tests))
        module = self.root / path
        original = module.read_bytes()
        module.write_text(changed, encoding="utf-8")
        try:
            for tests in stages:
                status = self._confirmed(tests, self.limits[tuple(tests)])[0]
                if status != _PASSED:
                    return Status.KILLED if status in {_FAILED, None} else Status.INVALID
            return Status.SURVIVED
        finally:
            module.write_bytes(original)

    def _measure(self, tests: tuple[str, ...]) -> None:
        """Run tests once without a mutant: they must pass, and their time determines the timeout."""
        if tests in self.limits:
            return
        started = time.monotonic()
        status, output = self._confirmed(tests, limit_seconds=600)
        if status != _PASSED:
            raise BrokenTestsError(f"{' '.join(tests)} fail without a mutant:\n{output}")
        self.limits[tests] = _TIMES * (time.monotonic() - started) + _MORE_SECONDS

    def _confirmed(self, tests: Sequence[str], limit_seconds: float) -> tuple[int | None, str]:
        """Run pytest, and again if tests that may fail on a busy machine have failed: only a second failure counts."""
        result = self._test(tests, limit_seconds)
        is_timed = any(name.startswith(_TIMED) for name in tests)
        return self._test(tests, limit_seconds) if is_timed and result[0] in {_FAILED, None} else result

    def _test(self, tests: Sequence[str], limit_seconds: float) -> tuple[int | None, str]:
        """Run pytest; the status is None if it ran out of time."""
        left_out = [word for name in self.deselected for word in ("--deselect", name)]
        return self._run(["-m", "pytest", *_PYTEST, *left_out, *tests], limit_seconds)

    def _run(self, arguments: Sequence[str], limit_seconds: float) -> tuple[int | None, str]:
        """Run Python in the copy, in a process group of its own, which is killed when time is over."""
        path = os.pathsep.join([str(self.root), str(self.root / "lab")])
        env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            [str(self.python), *arguments],
            cwd=self.root,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=limit_seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return None, process.communicate()[0]
            return process.returncode, output


def default_python(root: Path) -> Path:
    """Return the Python of the virtual environment that runs the tests, or this one."""
    python = root / ".venv" / "bin" / "python"
    return python if python.exists() else Path(sys.executable)
