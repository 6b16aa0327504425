"""The requests of Kibana and OpenSearch Dashboards, sent through an endpoint: the table in docs/kibana.md is true."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from es_rerank.testing import FakeResponse, ReceivedRequest
from tests import docs
from tests.server.handlers.engine import BEST, HITS, found, ids, running

ROWS = [row for rows in docs.kibana_cases().values() for row in rows]
ENGINE_ORDER = [hit[0] for hit in HITS]


def async_search(seen: ReceivedRequest) -> FakeResponse:
    whole = {"is_partial": False, "is_running": False, "response": json.loads(found(json.loads(seen.body)))}
    return FakeResponse(json.dumps(whole).encode())


ENGINE = {"/docs/_async_search": async_search, "/_query": FakeResponse(b"{}"), "/_plugins": FakeResponse(b"{}")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['where']}: {row['does']}")
async def test_what_the_docs_say_happens_to_a_request(row: Mapping[str, Any]) -> None:
    method, _, target = row["request"].partition(" ")
    headers = {"Accept": "application/vnd.elasticsearch+json; compatible-with=8", "x-elastic-product-origin": "kibana"}
    async with running(ENGINE) as (proxy, engine, _):
        got = await proxy.send(method, target, row.get("body"), headers)
        own = [seen for seen in engine.seen if seen.target.partition("?")[0] == target.partition("?")[0]]
    assert got.status == 200
    outcome = row.get("outcome")
    if outcome is None:
        assert "X-Rerank" not in got.headers
    else:
        assert got.headers["X-Rerank"].startswith(outcome)
    if outcome == "reranked":
        assert ids(got.json.get("response", got.json)) == BEST
    else:
        (seen,) = own
        assert (seen.target, seen.body) == (target, json.dumps(row["body"]).encode() if "body" in row else b"")
