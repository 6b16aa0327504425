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
        (aiohttp.ServerDisconnectedError(), "it closed the connection without an answer"),
        (aiohttp.ConnectionTimeoutError(), "it did not take a connection in time"),
        (NotReachedError("its certificate is not the pinned one"), "its certificate is not the pinned one"),
        (aiohttp.ClientPayloadError("<StreamReader 1 bytes>"), "it broke off in the midst of its answer"),
        (ConnectionResetError(104, "reset by 10.0.0.1"), "connection reset by peer"),
        (ConnectionResetError(), "ConnectionResetError"),
        (aiohttp.ClientConnectionError("10.0.0.1"), "the connection failed"),
        (aiohttp.ClientError("10.0.0.1"), "its answer is no HTTP that can be read"),
        (None, "NoneType"),
    ],
)
def test_worded(error: Exception | None, words: str) -> None:
    assert describe_error(error) == words


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "connection refused"),
        ("http://no.such.host.invalid", "its name cannot be resolved"),
        ("https", "it does not speak TLS as expected"),
    ],
)
async def test_real_faults(url: str, words: str) -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"ok")})) as plain:
        upstream = EngineClient(fake_settings(upstream=plain.url.replace("http", "https") if url == "https" else url))
        with pytest.raises(UpstreamError) as caught:
            async with upstream.open(OutgoingRequest("GET", "/")):
                pass
        await upstream.close()
    assert str(caught.value) == f"the engine cannot be reached: {words}"
