"""The signature is verified as the service verifies it: from the received request, by AWS's documentation."""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote

import pytest
from botocore.exceptions import CredentialRetrievalError
from multidict import CIMultiDict

from es_rerank.config.settings import Settings
from es_rerank.engine_client import buffered_body, sigv4
from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.sigv4 import Signer
from es_rerank.errors import ConfigError, UpstreamError
from es_rerank.net.messages import OutgoingRequest
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, fake_settings, running_endpoint, serve_fake
from tests.engine_client.chunks import Chunks

SECRET = "wJalrXUtnFEMI/K7MDENG"
REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")


def hashed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def expected(seen: ReceivedRequest, service: str) -> str:
    """Compute the signature (Signature Version 4, "Create a signed AWS API request", steps 1 to 4)."""
    _, _, fields = seen.headers["Authorization"].partition(" ")
    named = dict(field.strip().split("=", 1) for field in fields.split(","))
    path, _, query = seen.target.partition("?")
    pairs = sorted((pair.partition("=") for pair in query.split("&")) if query else [])
    canonical = "\n".join(
        [
            seen.method,
            quote(path, safe="/~"),
            "&".join(f"{quote(unquote(name), safe='~')}={quote(unquote(value), safe='~')}" for name, _, value in pairs),
            *(f"{name}:{seen.headers[name].strip()}" for name in named["SignedHeaders"].split(";")),
            "",
            named["SignedHeaders"],
            hashlib.sha256(seen.body).hexdigest(),
        ]
    )
    when = seen.headers["X-Amz-Date"]
    scope = f"{when[:8]}/{REGION}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hashed(key, part)
    assert named["Credential"] == f"AKIDEXAMPLE/{scope}"
    return hashed(key, text).hex()


async def body() -> AsyncIterator[bytes]:
    for at in range(40):
        yield b"%d" % at * 50_000


@pytest.mark.parametrize("service", ["es", "aoss"])
@pytest.mark.parametrize(
    ("method", "target", "streamed"),
    [
        ("GET", "/", False),
        ("POST", "/docs/_search?q=a+b%2Bc&pretty&size=5", False),
        ("GET", "/%3Clogs-%7Bnow%2Fd%7D%3E/_doc/a%2Fb", False),
        ("POST", "/_bulk?refresh=true", True),
    ],
)
async def test_received_requests_have_a_valid_signature(method: str, target: str, streamed: bool, service: str) -> None:
    headers = CIMultiDict({"Authorization": "AWS4-HMAC-SHA256 of the client", "x-amz-date": "long ago", "X-A": "1"})
    whole = Chunks(body()) if streamed else b'{"size":1}' if method == "POST" else None
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine:
        client = EngineClient(fake_settings(engine, aws_region=REGION, aws_service=service))
        sent = OutgoingRequest(method, target, headers, whole, use_service_credentials=True)
        async with client.open(sent) as answer:
            assert answer.status == 200
        await client.close()
    (seen,) = engine.seen
    assert seen.headers["Authorization"].rpartition("Signature=")[2] == expected(seen, service)
    assert seen.headers.getall("X-Amz-Security-Token") == ["token"]
    assert len(seen.headers.getall("Authorization")) == len(seen.headers.getall("X-Amz-Date")) == 1
    assert seen.headers["X-A"] == "1"
    if streamed:
        assert seen.body == b"".join([chunk async for chunk in body()])
        assert seen.headers["Content-Length"] == str(len(seen.body))


async def test_without_aws_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer(REGION, "es", 1024)
    monkeypatch.setattr(signer._session, "get_credentials", lambda: None)
    with pytest.raises(UpstreamError, match="no AWS credentials"):
        await signer.sign("http://engine", await signer.prepare(OutgoingRequest("GET", "/")))


def test_the_error_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ConfigError, match=r"aws_region: .*es-rerank\[aws\]"):
        EngineClient(Settings(aws_region=REGION))


@pytest.mark.parametrize(
    ("target", "canonical"),
    [
        ("/docs/_search", "/docs/_search"),
        ("/a+b/_search?", "/a+b/_search?"),
        ("/_search?q=a+b%2Bc", "/_search?q=a%20b%2Bc"),
        ("/_search?pretty&q=", "/_search?pretty=&q="),
        ("/_search?q=%E9%C3%A9/~", "/_search?q=%E9%C3%A9%2F~"),
    ],
)
def test_the_query_is_encoded_as_aws_encodes_it(target: str, canonical: str) -> None:
    assert sigv4._canonical(target) == canonical


async def test_aws_credentials_that_cannot_be_refreshed_are_an_upstream_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def expired() -> None:
        raise CredentialRetrievalError(provider="web-identity", error_msg="expired")

    signer = Signer(REGION, "es", 1024)
    monkeypatch.setattr(signer._session, "get_credentials", expired)
    with pytest.raises(UpstreamError, match=r"no AWS credentials .*web-identity: expired"):
        await signer.sign("http://engine", await signer.prepare(OutgoingRequest("GET", "/")))


async def test_an_unreachable_node_fails_no_signed_write() -> None:
    node = FakeServer({"": FakeResponse(b"ok")})
    write = OutgoingRequest("PUT", "/docs", body=Chunks(body()), use_service_credentials=True)
    async with serve_fake(node):
        client = EngineClient(Settings(upstream=f"http://127.0.0.1:1,{node.url}", aws_region=REGION))
        for _ in range(4):
            async with client.open(replace(write, body=Chunks(body()))) as response:
                assert await response.content.read() == b"ok"
        await client.close()
    assert {seen.body for seen in node.seen} == {b"".join([chunk async for chunk in body()])}
    assert all(seen.headers["Authorization"].rpartition("Signature=")[2] == expected(seen, "es") for seen in node.seen)


def full_disk(_max_memory: int) -> IO[bytes]:
    return Path("/dev/full").open("wb")


async def test_a_body_above_the_limit_or_on_a_full_disk_has_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 502 would say that the engine cannot be reached, and clients would send the body again."""
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as engine:
        settings = {"aws_region": REGION, "aws_max_body": 300_000}
        async with running_endpoint(fake_settings(engine, **settings)) as proxy:
            fits = await proxy.send("POST", "/_bulk", b"x" * 300_000)
            long = await proxy.send("POST", "/_bulk", b"x" * 300_001)
            monkeypatch.setattr(buffered_body, "SpooledTemporaryFile", full_disk)
            full = await proxy.send("POST", "/_bulk", b"x" * 300_000)
    assert (fits.status, [len(seen.body) for seen in engine.seen]) == (200, [300_000])
    assert (long.status, long.json["error"]["type"]) == (413, "content_too_long_exception")
    assert (full.status, full.json["error"]["type"]) == (507, "es_rerank_exception")
    assert full.json["error"]["reason"].endswith("to sign the request: no space left on device")
