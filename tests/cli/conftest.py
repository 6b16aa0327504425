from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from es_rerank.cli import cli
from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
)

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Remove the log handler that a command installs."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = [handler for handler in root.handlers if handler in before]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs the command in an empty folder, without ES_RERANK variables of the environment."""
    for name in [name for name in os.environ if name.startswith("ES_RERANK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, **variables: str) -> Result:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            return CliRunner().invoke(cli, arguments, env=variables)
        finally:
            # `serve` blocks SIGHUP.
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return invoke


@pytest.fixture
async def engine() -> AsyncIterator[FakeServer]:
    """An engine that finds b, then a, for every query."""
    hits = search_response(("b", 2.0, "other"), ("a", 1.0, "right"))
    fake = FakeServer({"/docs/_field_caps": FakeResponse(json.dumps(CAPS).encode()), "": FakeResponse(hits)})
    async with serve_fake(fake):
        yield fake


@pytest.fixture
async def endpoint(engine: FakeServer) -> AsyncIterator[RunningEndpoint]:
    """An endpoint whose model prefers a."""
    reranker = FakeServer({"": score_response({"right": 3.0})})
    async with serve_fake(reranker), running_endpoint(fake_settings(engine, reranker)) as found:
        yield found


FORM = {
    "method": "POST",
    "path": "/library/_msearch",
    "body_raw": '{}\n{"query":{"match":{"abstract":"tidal  power"}}}\n{}\n{"size":0}\n',
    "expected_query_text": ["tidal power", None],
    "mapping": {"properties": {"abstract": {"type": "text"}}},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "folder_case" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--requests")
        files = sorted(Path(folder).glob("*.json")) if folder else []
        cases = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        metafunc.parametrize("folder_case", cases or [FORM], ids=[file.stem for file in files] or ["form"])
