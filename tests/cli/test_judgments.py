from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.judgments import read_judgments
from es_rerank.evaluation.queries import read_queries
from es_rerank.testing import FakeResponse, FakeServer, serve_fake
from tests.cli.conftest import Run

# Two documents, shown ten times at each position; only the second is clicked.
SHOWN = [("red, dress", "a", 1, 0), ("red, dress", "b", 2, 1)] * 10 + [("tap", "c", 1, 0)] * 10 + [("rare", "d", 1, 1)]
CSV = "query,document,position,clicked\n" + "".join(f'"{q}",{d},{p},{c}\n' for q, d, p, c in SHOWN)
QUERIES = [
    {"query_id": str(one), "user_query": "red, dress", "query_response_hit_ids": ["a", "b"]} for one in range(10)
]
EVENTS = [
    {"query_id": str(one), "action_name": "click", "event_attributes": {"object": {"object_id": "b"}}}
    for one in (*range(10), 99)
]


def lines(values: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in values)


def test_clicks_become_judgments_that_eval_reads(run: Run, tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text(CSV)
    result = run(
        "judgments", "--clicks", "clicks.csv", "--output", "judgments.csv", "--queries", "queries.csv", "--prior", "0"
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "1 queries, 2 judgments" in result.output
    assert result.output.splitlines()[3:] == [
        "       1           21       1  0.048",
        "       2           10      10  1.000",
    ]
    judgments, queries = read_judgments(tmp_path / "judgments.csv"), read_queries(tmp_path / "queries.csv")
    assert [judgments.of(one) for one in queries] == [{"a": 0.0, "b": 1.0}]
    assert (queries[0].text, queries[0].fields) == ("red, dress", {"impressions": "10"})


def test_ubi_files_become_judgments(run: Run, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(lines(QUERIES))
    (tmp_path / "e.jsonl").write_text(lines(EVENTS))
    result = run("judgments", "--ubi-queries", "q.jsonl", "--ubi-events", "e.jsonl", "--output", "j.csv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "j.csv").read_text() == 'query,docid,rating\n"red, dress",a,0.000\n"red, dress",b,0.909\n'
    assert "note: Ignored: 1 clicks on documents that were not shown" in result.output


async def test_ubi_indices_become_judgments(run: Run, tmp_path: Path) -> None:
    def hits(index: str, values: list[dict[str, Any]]) -> FakeResponse:
        found = [{"_index": index, "_id": str(at), "_source": one} for at, one in enumerate(values)]
        return FakeResponse(json.dumps({"_scroll_id": "S", "hits": {"hits": found}}).encode())

    answers = {
        "/ubi_queries/_search": hits("ubi_queries", QUERIES),
        "/ubi_events/_search": hits("ubi_events", EVENTS),
        "/_search/scroll": hits("", []),
    }
    async with serve_fake(FakeServer(answers)) as engine:
        given = ("--endpoint", engine.url, "-H", "Authorization: x", "--output", "j.csv")
        result = await asyncio.to_thread(run, "judgments", *given)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "j.csv").read_text().splitlines()[2] == '"red, dress",b,0.909'
    assert {one.headers["Authorization"] for one in engine.seen} == {"x"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name one source"),
        (("--ubi-queries", "q.jsonl"), "name one source"),
        (("--clicks", "clicks.csv", "--endpoint", "http://localhost"), "name one source"),
        (("--clicks", "clicks.csv", "--min-impressions", "11"), "no judgments"),
        (("--clicks", "clicks.csv", "--output", "clicks.csv/x"), "cannot be written"),
    ],
)
def test_errors(run: Run, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    (tmp_path / "clicks.csv").write_text(CSV)
    result = run("judgments", "--output", "j.csv", *options)
    assert isinstance(result.exception, EsRerankError)
    assert message in str(result.exception)
