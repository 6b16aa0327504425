"""A fake engine with two documents for each query, and a fake model that prefers the second one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from es_rerank.config.settings import Settings
from es_rerank.evaluation.template import Template
from es_rerank.evaluation.values import Query
from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    fake_settings,
    score_response,
    serve_fake,
)

TEMPLATE = Template({"query": {"match": {"body": "{{query}}"}}, "aggs": {"x": {}}, "_source": False})
HOSE, REEL = Query("1", "hose"), Query("2", "reel")


def found(seen: ReceivedRequest, filler: str = "") -> FakeResponse:
    """Find two documents for any query, up to the requested number; the answer ends with *filler*."""
    body = json.loads(seen.body)
    text = body["query"]["match"]["body"]
    rows: list[dict[str, Any]] = [
        {"_index": "docs", "_id": f"{text}-words", "_score": 2.0, "_source": {"title": text, "body": f"{text} {text}"}},
        {
            "_index": "docs",
            "_id": f"{text}-answer",
            "_score": 1.0,
            "_source": {"title": "A", "body": f"answer {text}{filler}"},
        },
    ]
    return FakeResponse(json.dumps({"hits": {"hits": rows[: body["size"]]}}).encode())


def fake_engine(search: Any = found) -> FakeServer:
    return FakeServer({"/docs/_field_caps": FakeResponse(json.dumps(CAPS).encode()), "": search})


@asynccontextmanager
async def both(search: Any = found, **settings: Any) -> AsyncIterator[tuple[Settings, FakeServer, FakeServer]]:
    """Run engine and rerank server; return the settings that name them."""
    engine, model = fake_engine(search), FakeServer({"": score_response({"answer": 2.0})})
    async with serve_fake(engine), serve_fake(model):
        yield fake_settings(engine, model, **settings), engine, model
