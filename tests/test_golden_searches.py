"""Golden searches through a real endpoint, with a fake engine that replays recorded responses and a fake model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from es_rerank.testing import fake_settings, running_endpoint, serve_fake
from tests.golden import (
    CASES,
    GoldenSearch,
    engine_requests,
    fake_engine,
    fake_reranker,
    golden_searches,
    model_queries,
)

SEARCHES = golden_searches()


def dumped(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


async def run(case: GoldenSearch, folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Send the request of a case through an endpoint; return the response body and the contents of expected.yaml."""
    engine, reranker = fake_engine(case), fake_reranker(case)
    async with serve_fake(engine), serve_fake(reranker):
        reachable = reranker if case.model_status else None
        settings = fake_settings(engine, reachable, backend="cohere", **case.with_rule(folder))
        async with running_endpoint(settings) as endpoint:
            reply = await endpoint.send(case.method, case.target, case.body or None, case.headers.items())
    return reply.body, {
        "status": reply.status,
        "x_rerank": reply.headers.get("X-Rerank"),
        "model_queries": model_queries(reranker),
        "engine_requests": engine_requests(engine, case),
    }


@pytest.mark.parametrize("case", SEARCHES, ids=lambda case: case.name)
async def test_a_search_gives_the_expected_bytes_and_engine_requests(
    case: GoldenSearch, tmp_path: Path, update: bool
) -> None:
    body, head = case.folder / "expected.json", case.folder / "expected.yaml"
    received, seen = await run(case, tmp_path)
    if update:
        body.write_bytes(received)
        head.write_text(dumped(seen), encoding="utf-8")
    assert seen == case.expected
    assert received == body.read_bytes()


def test_every_recorded_response_belongs_to_an_engine_request() -> None:
    assert {case.name: len(case.responses) for case in SEARCHES} == {
        case.name: len(case.expected["engine_requests"]) for case in SEARCHES
    }


def test_every_folder_says_what_it_shows() -> None:
    cases = {folder.name: yaml.safe_load((folder / "case.yaml").read_text("utf-8")) for folder in CASES.iterdir()}
    assert len(cases) >= 20
    assert [name for name, case in cases.items() if not case["about"]] == []
