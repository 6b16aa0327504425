"""Access to the admin pages, for callers of every kind and fake engines with and without security."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from es_rerank.config.settings import Settings
from es_rerank.server.admin import access
from es_rerank.server.state import build
from es_rerank.testing import (
    ClientReply,
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    score_response,
    serve_fake,
)

PAGES = [("GET", "/_rerank/"), ("GET", "/_rerank/metrics"), ("POST", "/_rerank/rank"), ("GET", "/_rerank/nothing")]
RANK = {"query": "q", "candidates": ["a"]}
AUTHENTICATE, AUTHINFO = "/_security/_authenticate", "/_plugins/_security/authinfo"
ME = "Basic " + base64.b64encode(b"me:right").decode()
NOT_ME = "Basic " + base64.b64encode(b"me:wrong").decode()
CHALLENGES = ['Basic realm="engine"', "ApiKey"]
FORBIDDEN = FakeResponse(b'{"error":{"type":"security_exception"},"status":403}', 403)
DENIED = FakeResponse(
    b'{"error":{"type":"security_exception"},"status":401}',
    401,
    [("Content-Type", "application/json"), *(("WWW-Authenticate", one) for one in CHALLENGES)],
)
NO_SUCH_PAGE = FakeResponse(b'{"error":"no handler found"}', 400)
KNOWN = FakeResponse(b'{"username":"me"}')


def secured(known: Callable[[ReceivedRequest], bool], *supported: str, open_to_all: bool = False) -> FakeServer:
    """Return an engine with security that supports some of the authentication requests.

    Other requests are denied to unknown callers, unless they are *open_to_all*.
    """

    def answer(seen: ReceivedRequest) -> FakeResponse:
        authenticates = seen.target in supported
        if not known(seen):
            return NO_SUCH_PAGE if open_to_all and not authenticates else DENIED
        return KNOWN if authenticates else NO_SUCH_PAGE

    return FakeServer({"": answer})


def by_password(seen: ReceivedRequest) -> bool:
    return seen.headers.get("Authorization") == ME


ENGINES = {
    "elasticsearch": lambda: secured(by_password, AUTHENTICATE, "/"),
    # A caller that may only search is denied everything else, including `GET /`.
    "opensearch": lambda: secured(by_password, AUTHINFO),
    "opensearch, an older one": lambda: secured(by_password, AUTHINFO, open_to_all=True),
    "an older one": lambda: secured(by_password, "/", open_to_all=True),
}


@asynccontextmanager
async def shared(engine: FakeServer, **more: Any) -> AsyncIterator[tuple[RunningEndpoint, FakeServer]]:
    """Run an endpoint, by default with shared admin pages; yields the rerank server too."""
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": score_response()})) as reranker,
        running_endpoint(fake_settings(engine, reranker, **{"admin_listen": "shared", **more})) as proxy,
    ):
        yield proxy, reranker


async def visit(proxy: RunningEndpoint, method: str, page: str, *headers: tuple[str, str]) -> ClientReply:
    return await proxy.send(method, page, RANK if method == "POST" else None, headers)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("headers", [[], [("Authorization", NOT_ME)], [("Cookie", "sid=1"), ("X-Found-User", "me")]])
async def test_callers_that_the_engine_denies_get_its_response_on_every_page(
    name: str, headers: list[tuple[str, str]]
) -> None:
    async with shared(ENGINES[name]()) as (proxy, reranker):
        for method, page in PAGES:
            got = await visit(proxy, method, page, *headers)
            assert (got.status, got.body) == (401, DENIED.body)
            assert got.headers.getall("WWW-Authenticate") == CHALLENGES
            assert got.headers["Content-Type"] == "application/json"
        head = await visit(proxy, "HEAD", "/_rerank/metrics", *headers)
        assert (head.status, head.body) == (401, b"")
    assert reranker.seen == []


@pytest.mark.parametrize("name", ENGINES)
async def test_callers_that_the_engine_authenticates_see_every_page(name: str) -> None:
    async with shared(ENGINES[name]()) as (proxy, _):
        assert [(await visit(proxy, *page, ("Authorization", ME))).status for page in PAGES] == [200, 200, 200, 404]


@pytest.mark.parametrize("has", [{"/"}, {"/_nodes/_local?filter_path=cluster_name"}], ids=["engine", "small one"])
async def test_without_security_every_caller_sees_every_page(has: set[str]) -> None:
    async with shared(FakeServer({"": lambda seen: KNOWN if seen.target in has else NO_SUCH_PAGE})) as (proxy, _):
        assert [(await visit(proxy, *page)).status for page in PAGES] == [200, 200, 200, 404]


OURS = base64.b64encode(b"ours:ours").decode()


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        ({"upstream_api_key": "ours"}, "ApiKey ours"),
        ({"upstream_username": "ours", "upstream_password": "ours"}, f"Basic {OURS}"),
        ({"aws_region": "eu-central-1"}, "AWS4-HMAC-SHA256 "),
    ],
    ids=["key", "password", "signature"],
)
async def test_service_credentials_authenticate_no_caller(
    own: dict[str, str], sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    engine = secured(lambda seen: seen.headers.get("Authorization", "").startswith((sent, ME)), AUTHENTICATE, "/")
    async with shared(engine, **own) as (proxy, _):
        assert (await proxy.send("GET", "/")).status == 200  # service credentials are used for other paths
        assert [(await visit(proxy, *page)).status for page in PAGES] == [401] * len(PAGES)
        mine = await visit(proxy, "GET", "/_rerank/metrics", ("Authorization", ME))
    assert mine.status == 200
    asked = [seen for seen in engine.seen if seen.target == AUTHENTICATE]
    assert {seen.headers.get("Authorization") for seen in asked} == {None, ME}
    assert not any(name.lower().startswith("x-amz") for seen in asked for name in seen.headers)


@pytest.mark.parametrize(
    "target",
    [
        "/%5Frerank/metrics",
        "/_rerank/%6Detrics",
        "/_rerank/metrics?x",
        "/_rerank/health/../metrics",
        "/docs/../_rerank/metrics",
        "/_rerank/health/live/../../metrics",
        "/_rerank/health%2F..%2Fmetrics",
        "//_rerank/metrics",
        "/_rerank//metrics",
        "/_rerank/metrics/",
        "/_RERANK/metrics",
        "/_rerank",
    ],
)
async def test_no_spelling_of_a_path_bypasses_authentication(target: str) -> None:
    async with shared(ENGINES["elasticsearch"]()) as (proxy, _):
        got = await visit(proxy, "GET", target)
    assert (got.status, got.body) == (401, DENIED.body)


async def test_health_is_public_and_shows_only_the_states() -> None:
    broken = FakeServer({"": FakeResponse(b"secret of the model", status=500)})
    async with (
        serve_fake(ENGINES["elasticsearch"]()) as engine,
        serve_fake(broken) as reranker,
        running_endpoint(fake_settings(engine, reranker, admin_listen="shared")) as proxy,
    ):
        await visit(proxy, "POST", "/_rerank/rank", ("Authorization", ME))
        asked = len(engine.seen)
        live, ready = [await visit(proxy, "GET", f"/_rerank/health/{word}") for word in ("live", "ready")]
    assert (live.status, live.json) == (200, {"status": "live"})
    assert (ready.status, ready.json) == (200, {"status": "degraded", "engine": "ok", "reranker": "degraded"})
    assert [(seen.method, seen.target) for seen in engine.seen[asked:]] == [("HEAD", "/")]


@pytest.mark.parametrize(
    "says",
    [
        FakeResponse(status=503),
        FakeResponse(status=429),
        FakeResponse(status=302, headers=[("Location", "/")]),
        FakeResponse(status=204),
        FakeResponse(b"{", cut_off=True),
        FakeResponse(seconds=60),
        None,
    ],
    ids=["not ready", "busy", "elsewhere", "no word", "breaks off", "silent", "down"],
)
async def test_without_an_engine_that_authenticates_callers_no_page_is_shown(
    says: FakeResponse | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_TIMEOUT_SECONDS", 0.1)
    logged: list[str] = []
    monkeypatch.setattr(access, "log", SimpleNamespace(warning=lambda _event, **fields: logged.append(fields["path"])))
    engine = FakeServer({"": says} if says else {})
    async with shared(engine, **({} if says else {"upstream": "http://127.0.0.1:9"})) as (proxy, reranker):
        found = [await visit(proxy, *page, ("Authorization", ME)) for page in PAGES]
        health = [await visit(proxy, "GET", f"/_rerank/health/{word}") for word in ("live", "ready")]
    assert [(got.status, got.json["error"]["type"]) for got in found] == [
        (502, "upstream_unreachable_exception") for _ in PAGES
    ]
    responds = says is not None and not says.seconds
    assert [got.status for got in health] == [200, 200 if responds else 503]
    assert logged == [path for _, path in PAGES]
    assert reranker.seen == []


async def test_the_engine_gets_the_callers_headers_and_not_its_body_or_parameters() -> None:
    engine = ENGINES["elasticsearch"]()
    async with shared(engine) as (proxy, _):
        sent = [("Authorization", ME), ("es-security-runas-user", "you"), ("Accept", "text/html"), ("Cookie", "a=b")]
        assert (await visit(proxy, "POST", "/_rerank/rank?pretty", *sent)).status == 200
    (asked,) = engine.seen
    assert (asked.method, asked.target, asked.body) == ("GET", AUTHENTICATE, b"")
    assert {name: value for name, value in asked.headers.items() if name != "Host"} == {
        **dict(sent),
        "Accept": "application/json",
    }


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9281", 200),
        ("[::1]:9281", 200),
        ("192.0.2.7", 200),
        ("localhost:9281", 200),
        ("LocalHost", 200),
        ("es-rerank:9281", 200),
        ("es-rerank.", 200),
        ("evil.example", 421),
        ("evil.example:9281", 421),
        ("127.0.0.1.evil.example:9281", 421),
        ("evil.example.", 421),
        ("me@evil.example", 421),
        ("[::1", 421),
    ],
)
async def test_admin_pages_reject_foreign_host_names(host: str, status: int) -> None:
    """After DNS rebinding, evil.example resolves to this machine and its page has the same origin for a browser."""
    broken = FakeServer({"": FakeResponse(b"secret of the model", status=500)})
    async with (
        serve_fake(broken) as reranker,
        serve_fake(FakeServer({"": FakeResponse(b"{}")})) as engine,
        running_endpoint(fake_settings(engine, reranker)) as proxy,
    ):
        await proxy.pages.send("POST", "/_rerank/rank", RANK)
        asked = len(broken.seen)
        metrics = await proxy.pages.send("GET", "/_rerank/metrics", None, [("Host", host)])
        ranked = await proxy.pages.send("POST", "/_rerank/rank", RANK, [("Host", host)])
        ready = await proxy.pages.send("GET", "/_rerank/health/ready", None, [("Host", host)])
    assert metrics.status == status
    assert (ranked.status, len(broken.seen) > asked) == ((500, True) if status == 200 else (421, False))
    assert (ready.status, {"why", "means", "do"} & ready.json.keys()) == (
        200,
        {"why", "means", "do"} if status == 200 else set(),
    )


@pytest.mark.parametrize("place", ["Search.example:9281", "unix:/run/pages.sock"])
def test_the_host_of_admin_listen_and_unix_sockets_are_not_foreign(place: str) -> None:
    request = make_mocked_request("GET", "/_rerank/metrics", headers={"Host": "search.example:9281"})
    assert access.is_foreign_host(request, Settings())
    assert not access.is_foreign_host(request, Settings(admin_listen=place))


async def test_an_unknown_kind_of_connection_has_no_admin_pages() -> None:
    state = build(fake_settings())
    answer: Any = await access.deny_access(state, make_mocked_request("GET", "/_rerank/metrics"))
    assert (answer.status, json.loads(answer.body)["status"]) == (404, 404)


async def test_a_403_of_the_engine_denies_access_too() -> None:
    async with shared(FakeServer({"": FORBIDDEN})) as (proxy, _):
        reply = await visit(proxy, "GET", "/_rerank/metrics", ("Authorization", ME))
    assert (reply.status, reply.body) == (403, FORBIDDEN.body)


INFERENCE = ("/_inference/rerank/mine", "/_inference/mine", "/_inference/rerank/min%65")
QUESTION = {"query": "q", "input": ["a", "b"]}


@pytest.mark.parametrize("admin_listen", ["shared", "127.0.0.1:9281"])
@pytest.mark.parametrize("headers", [[], [("Authorization", NOT_ME)], [("Cookie", "sid=1")]], ids=str)
async def test_an_own_endpoint_needs_the_credentials_that_the_engine_would_ask_for(
    admin_listen: str, headers: list[tuple[str, str]]
) -> None:
    chosen: dict[str, Any] = {"admin_listen": admin_listen, "inference_ids": "mine", "upstream_api_key": "ours"}
    engine = secured(lambda seen: seen.headers.get("Authorization") in {ME, "ApiKey ours"}, AUTHENTICATE, "/")
    async with shared(engine, **chosen) as (proxy, reranker):
        for target in INFERENCE:
            got = await proxy.send("POST", target, QUESTION, headers)
            assert (got.status, got.body) == (401, DENIED.body)
        assert reranker.seen == []
        for target in INFERENCE:
            got = await proxy.send("POST", target, QUESTION, [("Authorization", ME)])
            assert (got.status, len(got.json["rerank"])) == (200, 2)


async def test_an_own_endpoint_at_the_admin_address_is_for_everyone_who_can_reach_it() -> None:
    engine = secured(by_password, AUTHENTICATE)
    async with shared(engine, admin_listen="127.0.0.1:9281", inference_ids="mine") as (proxy, _):
        got = await proxy.pages.send("POST", INFERENCE[0], QUESTION)
        foreign = await proxy.pages.send("POST", INFERENCE[0], QUESTION, [("Host", "evil.example")])
    assert (got.status, foreign.status) == (200, 421)


async def test_an_own_endpoint_needs_an_engine_that_answers() -> None:
    async with running_endpoint(fake_settings(inference_ids="mine")) as proxy:
        assert (await proxy.send("POST", INFERENCE[0], QUESTION)).status == 502
