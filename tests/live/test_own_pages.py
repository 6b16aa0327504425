"""Admin pages at the address of the endpoint, in front of real engines: with users and TLS, and without."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import IDENTITY, WELL, Endpoint, start_endpoint
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
def test_unknown_callers_get_the_engines_own_error(shared: Endpoint, headers: dict[str, str]) -> None:
    direct = shared.ask("GET", "/_security/_authenticate", None, headers)
    assert (direct.status, direct.json["error"]["type"]) == (401, "security_exception")
    for method, path, body in PAGES:
        got = shared.page(method, path, body, headers)
        assert (got.status, got.body) == (401, direct.body)
        assert got.header("WWW-Authenticate") == direct.header("WWW-Authenticate")
        assert "Basic" in got.header("WWW-Authenticate")


def test_authenticated_callers_see_all_pages(shared: Endpoint, right: dict[str, str]) -> None:
    assert statuses(shared, right) == [200, 200, 200, 404]
    assert shared.page("GET", "/metrics", None, right).body.startswith(b"# HELP es_rerank_")


def test_health_needs_no_credentials(shared: Endpoint) -> None:
    assert shared.page("GET", "/health/live").json == {"status": "live"}
    assert shared.await_health("ok") == WELL


@pytest.fixture
def lending(secured: Engine, tmp_path: Path) -> Iterator[Endpoint]:
    """An endpoint with service credentials of a superuser for callers without credentials."""
    own = ("--upstream-username", secured.username or "", "--upstream-password", secured.password or "")
    found = start_endpoint(secured.url, tmp_path / "log", *IDENTITY, *SHARED, "--upstream-ca", str(secured.ca), *own)
    yield found
    found.process.stop()


def test_service_credentials_give_no_access_to_admin_pages(lending: Endpoint, right: dict[str, str]) -> None:
    assert lending.ask("GET", "/_cluster/health").status == 200
    assert statuses(lending, {}) == [401] * 4
    assert statuses(lending, right) == [200, 200, 200, 404]


def test_without_security_in_the_engine_admin_pages_need_no_credentials(engine: Engine, serve: Serve) -> None:
    assert statuses(serve(engine.url, *IDENTITY, *SHARED), {}) == [200, 200, 200, 404]


def test_with_the_engine_down_admin_pages_are_closed_and_health_is_open(serve: Serve) -> None:
    endpoint = serve("http://127.0.0.1:9", *IDENTITY, *SHARED)
    assert statuses(endpoint, basic("elastic", "any")) == [502] * 4
    assert endpoint.page("GET", "/health/live").status == 200
    assert endpoint.health["engine"] == "unreachable"


def test_admin_pages_at_their_own_address_are_not_on_the_endpoint(engine: Engine, serve: Serve) -> None:
    endpoint = serve(engine.url, *IDENTITY)
    for method, path, body in (*PAGES, ("GET", "/health/live", None)):
        through, direct = (ask(url, method, f"/_rerank{path}", body) for url in (endpoint.url, engine.url))
        assert (through.status, through.body) == (direct.status, direct.body)
        assert through.headers == direct.headers
    assert statuses(endpoint, {}) == [200, 200, 200, 404]
    assert ask(endpoint.admin_listen, "GET", "/_cluster/health").json["cluster_name"]
