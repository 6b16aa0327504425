from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from es_rerank.evaluation.client import SearchError, search, search_target, session, title
from es_rerank.evaluation.values import SearchRecord
from es_rerank.testing import FakeResponse, FakeServer, search_response, serve_fake

BODY = {"query": {"match_all": {}}}


@asynccontextmanager
async def answering(response: FakeResponse, headers: dict[str, str] | None = None) -> AsyncIterator[Any]:
    """A function that sends one search to a server with this response, and the server."""
    async with serve_fake(FakeServer({"": response})) as server, session() as client:
        target = search_target(f"{server.url}/", "docs,a b", headers or {})
        yield lambda: search(client, target, BODY), server


async def test_a_search_is_sent_and_read() -> None:
    response = FakeResponse(
        search_response(("1", 2.0, "a  hose"), ("2", 1.0, "b")),
        headers=[("Content-Type", "application/json"), ("X-Rerank", "reranked; window=2")],
        seconds=0.02,
    )
    async with answering(response, {"Authorization": "ApiKey x"}) as (send, server):
        record: SearchRecord = await send()
    assert (record.ids, record.outcome) == (("1", "2"), "reranked; window=2")
    assert [hit.title for hit in record.hits] == ["a hose", "b"]
    assert 0.02 <= record.seconds < 10
    (received,) = server.seen
    assert (received.method, received.target) == ("POST", "/docs,a%20b/_search")
    assert received.json == BODY
    assert received.headers["Authorization"] == "ApiKey x"
    assert received.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (
            b'{"error":{"root_cause":[{"reason":"no such index [docs]"}],"reason":"x"}}',
            404,
            "status 404: no such index",
        ),
        (b'{"error":{"reason":"only this"}}', 400, "status 400: only this"),
        (b'{"error":"plain"}', 500, "status 500: {"),
        (b"<html>", 502, "status 502: <html>"),
        (b"<html>", 200, "is not a search response"),
        (b'{"hits":{"hits":[{"_score":1}]}}', 200, "is not a search response with ids"),
        (b'{"hits":{}}', 200, "is not a search response"),
        (b'{"timed_out":true,"hits":{"hits":[]}}', 200, "incomplete"),
        (b'{"_shards":{"failed":1},"hits":{"hits":[]}}', 200, "incomplete"),
    ],
)
async def test_a_search_that_fails_is_an_error_with_the_reason(body: bytes, status: int, message: str) -> None:
    async with answering(FakeResponse(body, status)) as (send, server):
        with pytest.raises(SearchError) as error:
            await send()
    assert str(error.value).startswith(f"{server.url}/docs,a%20b/_search: ")
    assert message in str(error.value)


async def test_a_server_that_does_not_answer_is_an_error() -> None:
    async with session() as client:
        with pytest.raises(SearchError, match="no response: connection refused"):
            await search(client, search_target("http://127.0.0.1:9", "docs", {}), BODY)


async def test_an_idle_connection_is_closed_before_a_server_does_it() -> None:
    async with session() as client:
        assert client.connector is not None
        assert 0 < client.connector._keepalive_timeout < 5


def test_credentials_in_a_url_are_refused_without_showing_them() -> None:
    with pytest.raises(SearchError) as error:
        search_target("http://me:s3cret@engine:9200", "docs", {})
    assert "s3cret" not in str(error.value)
    assert "ApiKey" not in repr(search_target("http://engine:9200", "docs", {"Authorization": "ApiKey"}))


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_certificates_that_cannot_be_read_are_an_error(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(SearchError, match=r"ca\.pem: cannot be read as PEM"):
        session(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"body": "long text", "title": "T"}, "T"),
        ({"body": "a longer text", "tag": "short", "n": 1}, "a longer text"),
        ({"title": ["first", "second"]}, "first"),
        ({"title": "", "name": "N"}, "N"),
        ({"body": "x" * 200}, "x" * 160 + "…"),
        ({"n": 1, "list": [], "inner": {"a": "b"}}, ""),
        ({}, ""),
    ],
    ids=json.dumps,
)
def test_the_title_of_a_document(source: dict[str, Any] | str, expected: str) -> None:
    assert isinstance(source, dict)
    assert title(source) == expected
