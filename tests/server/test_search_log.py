from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.server.search_log import SearchLog
from es_rerank.testing import fake_settings
from tests.server.handlers.engine import running

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = [("X-Opaque-Id", "web-7"), ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")]


async def logged(headers: Any = (), **settings: Any) -> list[dict[str, Any]]:
    """Search once, and return the events of the search."""
    async with running(**settings) as (proxy, _, _):
        with capture_logs() as lines:
            await proxy.search(headers=headers)
    return [dict(line) for line in lines if line["event"] in ("search handled", "slow search")]


async def test_each_search_has_an_event_with_ids_rule_outcome_and_times() -> None:
    (event,) = await logged(HEADERS, search_log_level="info")
    assert (event["event"], event["log_level"], event["path"]) == ("search handled", "info", "/docs/_search")
    assert (event["endpoint"], event["rule"]) == ("_search", "default")
    assert event["outcome"].startswith("reranked; window=")
    assert (event["request_id"], event["trace_id"]) == ("web-7", TRACE)
    assert event["took_ms"] >= event["engine_ms"] > 0
    assert event["own_ms"] > 0
    assert "hose" not in json.dumps(event)


async def test_ids_that_are_missing_or_malformed_are_omitted() -> None:
    (event,) = await logged([("traceparent", "00-xyz-1-01")])
    assert event["log_level"] == "debug"
    assert not {"request_id", "trace_id"} & event.keys()


async def test_a_long_request_id_is_cut() -> None:
    (event,) = await logged([("X-Opaque-Id", "x" * 4000)])
    assert event["request_id"] == "x" * 128


@pytest.mark.parametrize(("threshold", "event"), [("1ms", "slow search"), ("10m", "search handled")])
async def test_a_search_above_the_threshold_is_a_warning(threshold: str, event: str) -> None:
    (found,) = await logged(slow_search=threshold)
    assert (found["event"], found["log_level"]) == (event, "warning" if event == "slow search" else "debug")


def test_without_a_threshold_no_search_is_slow() -> None:
    assert SearchLog(fake_settings())._slow_seconds is None
