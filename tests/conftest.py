"""What all tests share: Hypothesis plays the same examples every time; `--hypothesis-profile deep` looks further."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

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


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-cases"))


@pytest.fixture(scope="session", autouse=True)
def _shared_byte_code() -> Iterator[None]:
    """Let child processes share byte code where the environment disables it, since they start in half the time."""
    if not sys.dont_write_bytecode:
        yield
        return
    with TemporaryDirectory(prefix="es-rerank-byte-code-") as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPYCACHEPREFIX", folder)
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield
