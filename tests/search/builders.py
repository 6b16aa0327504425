"""Builds the values that tests of the engine side start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from es_rerank.model import FetchPhase, FetchSpec, Plan, RerankRequest, Rule, Search, SearchBody


def a_search(
    body: Mapping[str, Any] | bytes = b"",
    params: Mapping[str, str] | None = None,
    *,
    target: str = "docs",
    rerank_request: RerankRequest | None = None,
) -> Search:
    """Return a search with this body, as JSON text or as a value that is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Search(target, params or {}, SearchBody.parse(raw), rerank_request)


def a_plan(**more: Any) -> Plan:
    """Return a plan for the first ten hits of a window of 50, unless *more* says otherwise."""
    values: dict[str, Any] = {
        "text": "hose",
        "start": 0,
        "size": 10,
        "fetch": FetchSpec(FetchPhase.WINDOW, 0, 50),
        "window": 50,
        "rule": Rule("default"),
        "passage_fields": ("title", "body"),
        **more,
    }
    return Plan(**values)
