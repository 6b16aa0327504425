"""Fixtures of the live tests. Everything is started when first requested, and stopped at the end of the session.

If a part is not available (an engine, vLLM, a browser), the tests that need it fail: no test is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine, start_engine
from es_rerank_lab.parts.vllm import ModelServer
from tests.processes import wait_for

from .endpoint import Endpoint, start_endpoint
from .models import PROFILE_OF, Models
from .watch import logs, watch
from .wire import ask

Serve = Callable[..., Endpoint]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests by model, so that each model starts once; tests without a model run first."""
    names = list(PROFILE_OF)

    def place(item: pytest.Item) -> int:
        return max((1 + names.index(name) for name in getattr(item, "fixturenames", ()) if name in names), default=0)

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Add the logs of the processes to the report of a failure."""
    report = yield
    if report.failed:
        report.sections += [(name, text) for name, text in logs() if text]
    return report


def _engine(name: str, *, security: bool = False) -> Iterator[Engine]:
    with start_engine(name, security=security) as engine:
        watch(f"{name}{' with security' if security else ''}", engine.process)
        yield engine


@pytest.fixture(scope="session")
def opensearch() -> Iterator[Engine]:
    yield from _engine("opensearch")


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[Engine]:
    yield from _engine("elasticsearch")


@pytest.fixture(scope="session")
def secured() -> Iterator[Engine]:
    """Elasticsearch with TLS and a password."""
    yield from _engine("elasticsearch", security=True)


@pytest.fixture(scope="session", params=["opensearch", "elasticsearch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine without security."""
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def no_index_left(opensearch: Engine, elasticsearch: Engine) -> Iterator[None]:
    """Delete the indices that a module creates: other modules search all indices."""
    before = {engine.url: indices(engine.url) for engine in (opensearch, elasticsearch)}
    yield
    for url, known in before.items():
        ask(url, "DELETE", "/_data_stream/*")
        for name in indices(url) - known:
            ask(url, "DELETE", f"/{name}")


def indices(url: str) -> set[str]:
    """Return the names of all indices of an engine, which may have just been started."""
    wait_for(partial(reachable, url), f"{url} is not reachable")
    return set(ask(url, "GET", "/_cat/indices?h=index&expand_wildcards=all").body.decode().split())


def reachable(url: str) -> bool:
    with suppress(OSError):
        return ask(url, "GET", "/").status > 0
    return False


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start an endpoint: `serve(upstream, *flags)`; a running one with the same arguments is reused."""
    folder = tmp_path_factory.mktemp("endpoints")
    running: dict[Sequence[str], Endpoint] = {}

    def start(upstream: str, *flags: str) -> Endpoint:
        arguments = (upstream, *flags)
        if arguments not in running:
            running[arguments] = start_endpoint(upstream, folder / f"{len(running)}.log", *flags)
        return running[arguments]

    yield start
    for endpoint in running.values():
        endpoint.process.stop()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """The model servers, of which one runs at a time."""
    found = Models(tmp_path_factory.mktemp("models"))
    yield found
    found.stop()


@pytest.fixture
def e5(models: Models) -> ModelServer:
    """Run vLLM with multilingual-e5-small."""
    return models.running("e5")


@pytest.fixture
def minilm(models: Models) -> ModelServer:
    """Run vLLM with all-MiniLM-L6-v2."""
    return models.running("minilm")


@pytest.fixture
def qwen3(models: Models) -> ModelServer:
    """Run vLLM with a tiny Qwen3-Reranker."""
    return models.running("qwen3")
