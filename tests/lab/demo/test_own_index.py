from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from rich.console import Console

from es_rerank.errors import EsRerankError
from es_rerank.testing import FakeResponse, FakeServer, serve_fake
from es_rerank_lab.demo import own_index
from es_rerank_lab.demo.client import Access

HITS = [{"_id": f"d{at}", "_source": {"body": "long text", "title": f"[title] {at}"}} for at in range(7)]


def response(hits: list[Any], outcome: str = "") -> FakeResponse:
    headers = [("X-Rerank", outcome)] if outcome else []
    return FakeResponse(json.dumps({"hits": {"hits": hits}}).encode(), headers=headers)


async def test_both_orders_are_shown_with_the_engines_ranks_and_the_outcome() -> None:
    engine = FakeServer({"/articles/_search": response(HITS)})
    endpoint = FakeServer({"/articles/_search": response(HITS[::-1], "reranked; window=7")})
    out = io.StringIO()
    async with serve_fake(engine), serve_fake(endpoint):
        direct, through = (Access("elasticsearch", one.url, "me", "secret") for one in (engine, endpoint))
        console = Console(file=out, width=120)
        await asyncio.to_thread(own_index.show, console, direct, through, "articles", ["garden [hose]"])
    shown = out.getvalue()
    assert "garden [hose]" in shown
    assert "X-Rerank: reranked; window=7" in shown
    first = next(line for line in shown.splitlines() if " 1 " in line)
    assert "[title] 0" in first
    assert "[title] 6 (7)" in first
    assert engine.seen[0].body == endpoint.seen[0].body
    assert engine.seen[0].headers["Authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "has no index books: check --index"), (403, "the search of books failed: HTTP 403: no")],
)
async def test_an_error_of_the_engine_is_reported(status: int, message: str) -> None:
    async with serve_fake(FakeServer({"": FakeResponse(b"no", status=status)})) as engine:
        with pytest.raises(EsRerankError, match=message):
            await asyncio.to_thread(own_index.search, Access("elasticsearch", engine.url), "books", "x")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"body": "b", "title": "t"}, "t"),
        ({"id": 7, "text": "one\n two " + "x" * 200}, "one two " + "x" * 91),
        ({"title": ["a list"]}, "(no text)"),
        ({}, "(no text)"),
    ],
)
def test_a_document_is_shown_by_its_title_or_first_text(source: dict[str, Any], expected: str) -> None:
    assert own_index.title(source) == expected


def test_typed_queries_end_with_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("garden hose\n\n rain \n"))
    assert list(own_index.typed(Console(file=io.StringIO()))) == ["garden hose", "rain"]
