"""The log of what es-rerank showed, and its use as input of `es-rerank judgments`."""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.errors import ConfigError
from es_rerank.evaluation.ubi import impressions, read_events, read_records
from es_rerank.model import EngineReply, Outcome, OutcomeState, Plan, Rule
from es_rerank.pipeline import RankedWindow, SearchResult
from es_rerank.search.plan import make
from es_rerank.search.response.hits import read
from es_rerank.server.ubi_log import UbiLog
from es_rerank.testing import search_response
from tests.search.builders import a_search
from tests.search.test_recorded import INFO
from tests.server.handlers.engine import BEST, HOSE, running

NOW = "2026-01-01T00:00:00.000Z"


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def result(plan: Plan | None, body: bytes | None = search_response(("a", 2.0, "x"), ("b", 1.0, "y"))) -> SearchResult:
    outcome = Outcome(OutcomeState.RERANKED)
    window = plan and RankedWindow(plan, EngineReply(), read(search_response()), None, outcome)
    return SearchResult(body, outcome, Rule("docs"), window=window)


async def logged(path: Path, body: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    log, search = UbiLog(path, lambda: NOW), a_search({"query": {"match": {"body": "hose"}}, **body})
    plan = make(search, Rule("docs"), INFO)
    assert isinstance(plan, Plan)
    await log.add(search, result(plan), headers)
    await log.flush()
    return records(path)


async def test_a_record_has_the_query_and_the_ids_as_shown(tmp_path: Path) -> None:
    (record,) = await logged(tmp_path / "log", {"from": 20}, **{"X-Opaque-Id": "7"})
    assert re.fullmatch(r"[0-9a-f-]{36}", record.pop("query_response_id"))
    assert record == {
        "timestamp": NOW,
        "query_id": "7",
        "user_query": "hose",
        "query_attributes": {"from": 20, "index": "docs"},
        "query_response_hit_ids": ["a", "b"],
    }


async def test_the_options_of_the_request_take_precedence(tmp_path: Path) -> None:
    ubi = {
        "query_id": "1",
        "client_id": "c",
        "application": "shop",
        "user_query": "Hose!",
        "object_id_field": "sku",
        "query_attributes": {"shop": "x"},
    }
    (record,) = await logged(tmp_path / "log", {"ext": {"ubi": ubi}}, **{"X-Opaque-Id": "7"})
    assert [record[name] for name in ("query_id", "client_id", "application", "user_query")] == [
        "1",
        "c",
        "shop",
        "Hose!",
    ]
    assert record["query_attributes"] == {"shop": "x", "from": 0, "index": "docs"}
    assert "object_id_field" not in record


async def test_without_an_id_a_search_gets_one(tmp_path: Path) -> None:
    await logged(tmp_path / "log", {"ext": {"ubi": None}})
    first, second = await logged(tmp_path / "log", {})
    assert first["query_id"] != second["query_id"]


@pytest.mark.parametrize("body", [None, search_response(), b'{"hits": {"hits": [{"_score": 1.0}]}}'])
async def test_only_a_page_with_ids_is_recorded(tmp_path: Path, body: bytes | None) -> None:
    log, search = UbiLog(tmp_path / "log"), a_search({"query": {"match": {"body": "hose"}}})
    plan = make(search, Rule("docs"), INFO)
    assert isinstance(plan, Plan)
    await log.add(search, result(plan, body), {})
    await log.flush()
    assert len(records(tmp_path / "log")) == (1 if body == search_response() else 0)


async def test_without_a_plan_or_a_file_nothing_is_recorded(tmp_path: Path) -> None:
    log, search = UbiLog(tmp_path / "log"), a_search({})
    await log.add(search, result(None), {})
    await log.flush()
    assert records(tmp_path / "log") == []
    off = UbiLog(None)
    await off.add(search, result(None), {})
    await off.run()
    assert repr(off) == "<UbiLog None, 0 waiting>"


def test_a_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ubi_log: .*: cannot be opened: No such file"):
        UbiLog(tmp_path / "missing" / "log")


async def test_a_file_that_cannot_be_written_is_logged(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log, search = UbiLog(tmp_path / "logs" / "log"), a_search({"query": {"match": {"body": "hose"}}})
    plan = make(search, Rule("docs"), INFO)
    assert isinstance(plan, Plan)
    await log.add(search, result(plan), {})
    (tmp_path / "logs" / "log").unlink()
    (tmp_path / "logs").rmdir()
    with capture_logs() as events:
        await log.flush()
    assert [(one["event"], one["records"]) for one in events] == [("UBI log not written", 1)]


async def test_a_disk_that_becomes_full_leaves_only_whole_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write = tmp_path / "log", os.write
    await logged(path, {})

    def full(file: int, data: bytes) -> int:
        if len(data) < 200:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data[:50])

    with monkeypatch.context() as patch, capture_logs() as events:
        patch.setattr(os, "write", full)
        await logged(path, {})
    assert [one["reason"] for one in events] == ["No space left on device"]
    assert len(await logged(path, {})) == 2


async def test_a_write_that_takes_only_a_part_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:50]))
    assert len(await logged(tmp_path / "log", {})) == 1


async def test_records_that_cannot_be_written_in_time_take_limited_memory(tmp_path: Path) -> None:
    log, search = UbiLog(tmp_path / "log"), a_search({"query": {"match": {"body": "hose"}}})
    plan = make(search, Rule("docs"), INFO)
    assert isinstance(plan, Plan)
    for _ in range(5):
        await log.add(search, result(replace(plan, text="x" * 10_000_000)), {})
    assert repr(log).endswith("3 waiting>")
    await log.flush()
    assert len(records(tmp_path / "log")) == 3
    await log.add(search, result(plan), {})
    assert repr(log).endswith("1 waiting>")


async def test_searches_of_clients_are_logged_and_become_impressions(tmp_path: Path) -> None:
    path = tmp_path / "shown.jsonl"
    body = {"query": HOSE, "size": 2}
    async with running(ubi_log=path) as (proxy, _, _):
        headers = [("X-Opaque-Id", "q1")]
        single = await proxy.send("POST", "/docs/_search?filter_path=hits.hits._source", body, headers)
        lines = "".join(f"{json.dumps(line)}\n" for line in ({}, body, {}, {**body, "sort": "x"})).encode()
        await proxy.send("POST", "/docs/_msearch", lines, [("Content-Type", "application/x-ndjson")])
    assert "_id" not in single.body.decode()
    assert [record["query_response_hit_ids"] for record in records(path)] == [BEST[:2]] * 2
    shown = list(impressions(read_records(path), read_events([])))
    assert [(one.query, one.document, one.position) for one in shown[:2]] == [
        ("hose", BEST[0], 1),
        ("hose", BEST[1], 2),
    ]
    assert path.stat().st_mode & 0o077 == 0
