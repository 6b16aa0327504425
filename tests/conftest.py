"""Shared by all tests. Hypothesis repeats the same examples each time; `--hypothesis-profile deep` tries others."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

BYTE_CODE = Path(__file__).parent.parent / ".pytest_cache" / "byte-code"

settings.register_profile(
    "quick",
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="write what came out into tests/cases")
    parser.addoption("--requests", help="folder of recorded requests of clients, for tests/cli/test_explain.py")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the byte code of tests with the other caches of pytest, also if the environment disables byte code.

    Compiling the tests takes most of the time of their collection.
    """
    if sys.dont_write_bytecode and config.pluginmanager.hasplugin("cacheprovider"):
        sys.pycache_prefix, sys.dont_write_bytecode = str(BYTE_CODE), False


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection, which would otherwise visit all of them again and again."""
    gc.collect()
    gc.freeze()


# Files that take the longest. They start processes, or wait for deadlines.
LONGEST = (
    "tests/cli/test_workers.py",
    "tests/server/test_secrets.py",
    "tests/server/test_convergence.py",
    "tests/test_audit.py",
    "tests/mutants/test_mutants.py",
    "tests/test_simulation.py",
    "tests/load_test/test_loops.py",
    "tests/server/test_input_limits.py",
    "tests/cli/test_serve.py",
    "tests/cli/test_bench.py",
    "tests/rerank_client/test_vector_scoring.py",
    "tests/test_extensions.py",
    "tests/test_structure.py",
)


class Scheduler(LoadScopeScheduling):
    """With `-n`, run the tests with real engines in one process, which starts each engine once, and others by file.

    The files that take the longest come first, so that the processes end at about the same time. The other files are
    in the order of xdist, by their number of tests.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        for file in reversed(LONGEST):
            if file in self.workqueue:
                self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "live" if file.startswith("tests/live/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    return Scheduler(config, log)


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-cases"))


@pytest.fixture(autouse=True)
def _default_logging() -> Iterator[None]:
    """Undo the log level that a test of the command line has set, so that no test depends on the one before.

    A logger that is cached on first use would keep the level of the test that used it first.
    """
    with pytest.MonkeyPatch.context() as patch:
        configure, uncached = structlog.configure, {"cache_logger_on_first_use": False}
        patch.setattr(structlog, "configure", lambda **options: configure(**options | uncached))
        yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def _shared_byte_code() -> Iterator[None]:
    """Share byte code between child processes if the environment disables it, which halves their start time."""
    with pytest.MonkeyPatch.context() as environment:
        if os.environ.get("PYTHONDONTWRITEBYTECODE"):
            environment.setenv("PYTHONPYCACHEPREFIX", str(BYTE_CODE))
            environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield
