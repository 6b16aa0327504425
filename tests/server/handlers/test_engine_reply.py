from __future__ import annotations

import gzip

import pytest

from es_rerank.testing import FakeResponse

from .engine import HOSE, running

ERROR = b'{"error":"Result window is too large, from + size must be less than or equal to: [2] but was [50]"}'
GZIP = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]


@pytest.mark.parametrize(
    ("response", "window"),
    [
        (FakeResponse(ERROR, status=400), "size=2"),
        (FakeResponse(gzip.compress(ERROR), status=400, headers=GZIP), "size=2"),
        (FakeResponse(b"no gzip", status=400, headers=GZIP), "size=50"),
        (FakeResponse(ERROR.ljust(64 * 1024), status=400), "size=2"),
        (FakeResponse(ERROR.ljust(64 * 1024 + 1), status=400), "size=50"),
        (FakeResponse(ERROR, status=500), "size=50"),
    ],
    ids=["error", "compressed", "broken", "long", "too long", "other status"],
)
async def test_the_error_of_a_refused_request_is_read(response: FakeResponse, window: str) -> None:
    async with running({"/docs/_search": response}) as (proxy, engine, _):
        for _ in range(2):
            got = await proxy.send("POST", "/docs/_search", {**HOSE, "size": 1})
    assert got.headers["X-Rerank"] == "skipped; why=engine_error"
    assert engine.targets()[2] == f"/docs/_search?from=0&{window}"
