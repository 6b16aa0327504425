"""A fake engine with four documents that answers every endpoint that carries searches, and a model that scores them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from es_rerank import testing
from es_rerank.testing import (
    ClientReply,
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
)

CAPS = FakeResponse(json.dumps(testing.CAPS).encode())
HITS = (("1", 9.0, "opening hours"), ("2", 8.0, "spare parts"), ("3", 7.0, "mend a hose"), ("4", 6.0, "a hose"))
MODEL = {"mend": 2.0, "hose": 1.0, "opening": -3.0}
BEST = ["3", "4", "2", "1"]
HOSE = {"query": {"match": {"body": "hose"}}}
MISSING = {"error": {"type": "index_not_found_exception", "reason": "no such index"}, "status": 404}


def found(body: Any, target: str = "") -> bytes:
    """Search: `from` and `size` of the URL, else of the body; a `post_filter` names the ids of the page."""
    params = {name: values[-1] for name, values in parse_qs(target.partition("?")[2]).items()}
    start, size = (int(params.get(key, body.get(key, default))) for key, default in (("from", 0), ("size", 10)))
    hits = [hit for hit in HITS if hit[0] in page_ids(body)] if "post_filter" in body else HITS
    return search_response(*hits[start : start + size])


def page_ids(body: Any) -> list[str]:
    """Return the ids that the `post_filter` of a fetch phase names."""
    documents = body["post_filter"]["bool"]["filter"][0]
    index, ids_query = documents["bool"]["filter"]
    assert index == {"term": {"_index": "docs"}}
    return list(ids_query["ids"]["values"])


def search(seen: ReceivedRequest) -> FakeResponse:
    return FakeResponse(found(json.loads(seen.body or b"{}"), seen.target))


def msearch(seen: ReceivedRequest) -> FakeResponse:
    """Answer each pair of lines; an index that is called `nope` is missing."""
    lines = [json.loads(line) for line in seen.body.splitlines()]
    each = [
        MISSING if header.get("index") == "nope" else {**json.loads(found(body)), "status": 200}
        for header, body in zip(lines[::2], lines[1::2], strict=True)
    ]
    return FakeResponse(json.dumps({"took": 7, "responses": each}).encode())


def render(seen: ReceivedRequest) -> FakeResponse:
    """Render the one template there is: a match with `q`; any other is unknown."""
    asked = seen.json
    if asked.get("id") == "unknown":
        return FakeResponse(b'{"error":{"type":"resource_not_found_exception"},"status":404}', status=404)
    text = asked["params"]["q"]
    return FakeResponse(b'{"template_output":{"query":{"match":{"body":%s}},"n":1.50}}' % json.dumps(text).encode())


@asynccontextmanager
async def running(
    says: dict[str, Any] | None = None, model: Any = None, **more: Any
) -> AsyncIterator[tuple[RunningEndpoint, FakeServer, FakeServer]]:
    """Run an endpoint between the engine and the model."""
    known = {"/_field_caps": CAPS, "/docs/_field_caps": CAPS, "/_render/template": render}
    rows = {**{prefix: known[prefix] for prefix in known if prefix not in (says or {})}, **(says or {})}
    engine = FakeServer(rows | {"/_msearch": msearch, "/docs/_msearch": msearch, "": search} | (says or {}))
    async with (
        serve_fake(engine),
        serve_fake(FakeServer({"": model or score_response(MODEL)})) as reranker,
        running_endpoint(fake_settings(engine, reranker, **more)) as proxy,
    ):
        yield proxy, engine, reranker


def ids(response: Any) -> list[str]:
    return [hit["_id"] for hit in response["hits"]["hits"]]


def times(got: ClientReply) -> dict[str, float]:
    """Read the times of `Server-Timing` by their names, in seconds."""
    entries = (entry.partition(";dur=") for entry in got.headers["Server-Timing"].split(", "))
    return {name: float(milliseconds) / 1e3 for name, _, milliseconds in entries}
