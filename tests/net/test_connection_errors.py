from __future__ import annotations

import aiohttp
import pytest

from es_rerank.engine_client.client import EngineClient
from es_rerank.errors import UpstreamError
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.messages import OutgoingRequest
from es_rerank.net.tls import NotReachedError
from es_rerank.testing import FakeResponse, FakeServer, fake_settings, serve_fake


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (aiohttp.ServerDisconnectedError(), "it closed the connection without a response"),
        (aiohttp.ConnectionTimeoutError(), "the connection timed out"),
        (NotReachedError("the TLS handshake failed"), "the TLS handshake failed"),
        (
            aiohttp.ClientPayloadError("<StreamReader 1 bytes>"),
            "it closed the connection in the middle of the response",
        ),
        (ConnectionResetError(104, "reset by 10.0.0.1"), "connection reset by peer"),
        (ConnectionResetError(), "ConnectionResetError"),
        (aiohttp.ClientConnectionError("10.0.0.1"), "the connection failed"),
        (OSError(99999, "reset by 10.0.0.1"), "unknown error 99999"),
        (aiohttp.ClientError("10.0.0.1"), "its response is not valid HTTP"),
        (None, "NoneType"),
    ],
)
def test_an_error_is_described_without_addresses(error: Exception | None, words: str) -> None:
    assert describe_error(error) == words


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "connection refused"),
        ("http://no.such.host.invalid", "its host name cannot be resolved"),
        ("https", "the TLS handshake failed"),
    ],
)
async def test_errors_of_real_connections_are_described(url: str, words: str) -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as plain:
        engine = EngineClient(fake_settings(upstream=plain.url.replace("http", "https") if url == "https" else url))
        with pytest.raises(UpstreamError) as caught:
            async with engine.open(OutgoingRequest("GET", "/")):
                pass
        await engine.close()
    assert str(caught.value) == f"the engine cannot be reached: {words}"
