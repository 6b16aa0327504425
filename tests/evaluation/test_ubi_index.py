from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from es_rerank.evaluation.client import SearchError, SearchTarget
from es_rerank.evaluation.ubi import Record
from es_rerank.evaluation.ubi_index import read_index
from es_rerank.testing import FakeResponse, FakeServer, serve_fake

FIRST = "/ubi_queries/_search?scroll=2m"


def page(*ids: str, **more: Any) -> FakeResponse:
    hits = [{"_index": "ubi_queries", "_id": one, "_source": {"query_id": one}} for one in ids]
    return FakeResponse(json.dumps({"_scroll_id": "S", "hits": {"hits": hits}, **more}).encode())


async def reading(engine: FakeServer) -> list[Record]:
    async with serve_fake(engine):
        target = SearchTarget(engine.url, "ubi_queries", {"Authorization": "x"})
        return await asyncio.to_thread(lambda: list(read_index(target, ("query_id",))))


async def test_all_pages_are_read_and_the_scroll_is_closed() -> None:
    pages = iter([page("3"), page()])
    engine = FakeServer(
        {"/ubi_queries/_search": page("1", "2"), "/_search/scroll": lambda _received: next(pages, page())}
    )
    found = await reading(engine)
    assert [(one.place, dict(one.values)) for one in found] == [
        (f"ubi_queries/{key}", {"query_id": key}) for key in ("1", "2", "3")
    ]
    methods = [(one.method, one.target) for one in engine.seen]
    assert methods == [("POST", FIRST), *[("POST", "/_search/scroll")] * 2, ("DELETE", "/_search/scroll")]
    assert engine.seen[0].json["_source"] == ["query_id"]
    assert {one.headers["Authorization"] for one in engine.seen} == {"x"}


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (FakeResponse(b'{"error": {"reason": "no such index [ubi_queries]"}}', status=404), "no such index"),
        (FakeResponse(b"[]"), "is not a search response"),
        (FakeResponse(b"<html>"), "is not a search response"),
        (page("1", _shards={"failed": 1}), "is incomplete"),
        (FakeResponse(b'{"hits": {"hits": [{"_index": "a", "_id": "1"}]}}'), "has no records"),
    ],
)
async def test_a_response_without_records_is_an_error(response: FakeResponse, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        await reading(FakeServer({"": response}))
