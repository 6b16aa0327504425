"""es-rerank's own credentials stand in only for callers that show no identity, from no foreign site.

A gateway adds an identity in a header; with other credentials beside it, the engine would not see the caller's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from es_rerank.testing import RunningEndpoint
from tests.server.handlers.engine import running

KEY = {"upstream_api_key": "ours"}
PASSWORD = {"upstream_username": "ours", "upstream_password": "ours"}
SIGNATURE = {"aws_region": "eu-central-1"}
# A request that is passed through, one that is planned (field capabilities and a search), a search of many.
REQUESTS: tuple[tuple[str, str, bytes | None], ...] = (
    ("GET", "/_cat/health", None),
    ("POST", "/docs/_search", b'{"query":{"match":{"body":"hose"}}}'),
    ("POST", "/docs/_msearch", b'{}\n{"query":{"match":{"body":"hose"}}}\n'),
    ("PUT", "/docs/_doc/1", b"{}"),
)
IDENTITIES: tuple[tuple[str, str], ...] = (
    ("Authorization", "ApiKey mine"),
    ("Cookie", "sid=1"),
    ("es-secondary-authorization", "ApiKey other"),
    ("es-security-runas-user", "admin"),
    ("X-Forwarded-User", "ann"),
    ("X-Proxy-Roles", "reader"),
    ("X-Person", "ann"),
    ("Proxy-Authorization", "Basic YTpi"),
)
FOREIGN: tuple[dict[str, str], ...] = (
    {"Host": "evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "null"},
    {"Referer": "https://evil.example/"},
)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")


async def credentials_of(
    own: Mapping[str, Any], headers: Mapping[str, str], parameters: str = "", **settings: Any
) -> list[str | None]:
    """Return `Authorization` of every engine request for all requests of a caller."""

    async def ask(proxy: RunningEndpoint) -> None:
        for method, target, body in REQUESTS:
            typed = {"Content-Type": "application/x-ndjson"} if body else {}
            await proxy.send(method, target + parameters, body, {**headers, **typed})

    async with running(**own, **settings) as (proxy, engine, _):
        await ask(proxy)
    assert len(engine.seen) >= len(REQUESTS)
    return [seen.headers.get("Authorization") for seen in engine.seen]


@pytest.mark.parametrize("own", [KEY, PASSWORD, SIGNATURE], ids=["key", "password", "signature"])
async def test_a_caller_without_identity_gets_them(own: dict[str, str]) -> None:
    plain = {"X-Opaque-Id": "1", "X-Forwarded-For": "192.0.2.1", "Accept": "application/json", "X-Rerank-Mode": "on"}
    found = await credentials_of(own, plain)
    assert all(found)
    assert len({one and one.partition(" ")[0] for one in found}) == 1


@pytest.mark.parametrize("own", [KEY, PASSWORD, SIGNATURE], ids=["key", "password", "signature"])
@pytest.mark.parametrize(("name", "value"), IDENTITIES, ids=[name for name, _ in IDENTITIES])
async def test_a_caller_that_shows_an_identity_does_not_get_them(own: dict[str, str], name: str, value: str) -> None:
    expected = value if name == "Authorization" else None
    assert set(await credentials_of(own, {name: value})) == {expected}


@pytest.mark.parametrize("parameters", ["?jwt_token=a.b.c", "?access_token=1", "?%6Awt=1"])
async def test_a_caller_with_credentials_in_the_url_does_not_get_them(parameters: str) -> None:
    assert set(await credentials_of(KEY, {}, parameters)) == {None}


@pytest.mark.parametrize("own", [KEY, SIGNATURE], ids=["key", "signature"])
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_web_page_of_another_site_does_not_get_them(own: dict[str, str], headers: dict[str, str]) -> None:
    assert set(await credentials_of(own, headers)) == {None}


async def test_the_operator_names_further_headers_hosts_and_sites() -> None:
    headers = {"X-Person": "ann", "Host": "search.example", "Origin": "https://shop.example"}
    chosen = {"anonymous_headers": "x-person", "trusted_hosts": "search.example, shop.example"}
    assert set(await credentials_of(KEY, headers, **chosen)) == {"ApiKey ours"}
    for name in chosen:
        assert set(await credentials_of(KEY, headers, **{**chosen, name: ""})) == {None}


async def test_a_signature_of_the_client_is_replaced() -> None:
    """It covers the address of es-rerank, so the engine could not verify it."""
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=theirs", "X-Amz-Date": "20260101T000000Z"}
    found = await credentials_of(SIGNATURE, signed)
    assert all(one and one.startswith("AWS4-HMAC-SHA256 Credential=ours/") for one in found)
    assert set(await credentials_of(SIGNATURE, {**signed, "es-security-runas-user": "admin"})) == {
        "AWS4-HMAC-SHA256 Credential=theirs"
    }


async def test_fields_that_were_resolved_with_them_are_not_cached_for_other_callers() -> None:
    """A page of another site sends no other header that the cache could tell from a caller without identity."""
    _, target, body = REQUESTS[1]
    typed = {"Content-Type": "application/json"}
    async with running(**KEY) as (proxy, engine, _):
        await proxy.send("POST", target, body, typed)
        await proxy.send("POST", target, body, {**typed, "Sec-Fetch-Site": "cross-site"})
    asked = [seen.headers.get("Authorization") for seen in engine.seen if "_field_caps" in seen.target]
    assert asked == ["ApiKey ours", None]
