"""The own pages where clients connect, in front of real engines: with users and TLS, and without."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import IDENTITY, Endpoint, start_endpoint
from .wire import ask

SHARED = ("--admin-listen", "shared")
RANK = {"query": "rain", "candidates": ["sun", "rain"]}
PAGES = (("GET", "/", None), ("GET", "/metrics", None), ("POST", "/rank", RANK), ("GET", "/nothing", None))


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def statuses(endpoint: Endpoint, headers: Mapping[str, str]) -> list[int]:
    return [endpoint.page(method, path, body, headers).status for method, path, body in PAGES]


@pytest.fixture
def right(secured: Engine) -> dict[str, str]:
    return basic(secured.username or "", secured.password or "")


@pytest.fixture
def shared(secured: Engine, serve: Serve) -> Endpoint:
    return serve(secured.url, *IDENTITY, *SHARED, "--upstream-ca", str(secured.ca))


@pytest.mark.parametrize("headers", [{}, basic("elastic", "wrong"), {"Authorization": "ApiKey bm86bm8="}])
def test_whom_the_engine_does_not_know_gets_its_own_refusal(shared: Endpoint, headers: dict[str, str]) -> None:
    asked = shared.ask("GET", "/_security/_authenticate", None, headers)
    assert (asked.status, asked.json["error"]["type"]) == (401, "security_exception")
    for method, path, body in PAGES:
        got = shared.page(method, path, body, headers)
        assert (got.status, got.body) == (401, asked.body)
        assert got.header("WWW-Authenticate") == asked.header("WWW-Authenticate")
        assert "Basic" in got.header("WWW-Authenticate")


def test_whom_the_engine_knows_sees_all(shared: Endpoint, right: dict[str, str]) -> None:
    assert statuses(shared, right) == [200, 200, 200, 404]
    assert shared.page("GET", "/metrics", None, right).body.startswith(b"# HELP es_rerank_")


def test_health_is_for_everybody(shared: Endpoint) -> None:
    assert shared.page("GET", "/health/live").json == {"status": "live"}
    assert shared.await_health("ok") == {"status": "ok"}


@pytest.fixture
def lending(secured: Engine, tmp_path: Path) -> Iterator[Endpoint]:
    """An endpoint with a superuser's password for callers without any."""
    own = ("--upstream-username", secured.username or "", "--upstream-password", secured.password or "")
    found = start_endpoint(secured.url, tmp_path / "log", *IDENTITY, *SHARED, "--upstream-ca", str(secured.ca), *own)
    yield found
    found.process.stop()


def test_what_the_endpoint_lends_for_searches_opens_no_page(lending: Endpoint, right: dict[str, str]) -> None:
    assert lending.ask("GET", "/_cluster/health").status == 200
    assert statuses(lending, {}) == [401] * 4
    assert statuses(lending, right) == [200, 200, 200, 404]


def test_where_the_engine_asks_nobody_neither_do_we(engine: Engine, serve: Serve) -> None:
    assert statuses(serve(engine.url, *IDENTITY, *SHARED), {}) == [200, 200, 200, 404]


def test_an_engine_that_is_down_opens_no_page_and_closes_no_health(serve: Serve) -> None:
    endpoint = serve("http://127.0.0.1:9", *IDENTITY, *SHARED)
    assert statuses(endpoint, basic("elastic", "any")) == [502] * 4
    assert endpoint.page("GET", "/health/live").status == 200
    assert endpoint.health == {"status": "ok"}


def test_an_address_of_their_own_is_no_part_of_the_endpoint(engine: Engine, serve: Serve) -> None:
    endpoint = serve(engine.url, *IDENTITY)
    for method, path, body in (*PAGES, ("GET", "/health/live", None)):
        through, direct = (ask(url, method, f"/_rerank{path}", body) for url in (endpoint.url, engine.url))
        assert (through.status, through.body) == (direct.status, direct.body)
        assert through.headers == direct.headers
    assert statuses(endpoint, {}) == [200, 200, 200, 404]
    assert ask(endpoint.admin_listen, "GET", "/_cluster/health").json["cluster_name"]
