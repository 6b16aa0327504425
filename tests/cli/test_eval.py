from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from click.testing import Result

from es_rerank.errors import EsRerankError
from es_rerank.testing import (
    FakeServer,
    RunningEndpoint,
)
from tests.cli.conftest import Run

QUERIES = '{"_id": "1", "text": "hose", "lang": "en"}\n{"_id": "2", "text": "Schlauch", "lang": "de"}\n'
JUDGMENTS = "query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n3\tx\t1\n"
TEMPLATE = '{"query": {"match": {"body": "{{query}}"}}}'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "queries.jsonl").write_text(QUERIES)
    (tmp_path / "qrels.tsv").write_text(JUDGMENTS)
    (tmp_path / "template.json").write_text(TEMPLATE)
    return tmp_path


async def evaluated(run: Run, endpoint: RunningEndpoint, *options: str) -> Result:
    given = ("--index", "docs", "--queries", "queries.jsonl", "--judgments", "qrels.tsv")
    return await asyncio.to_thread(run, "eval", "--endpoint", endpoint.url, *given, *options)


async def test_both_rankings_are_measured_and_compared(run: Run, endpoint: RunningEndpoint, files: Path) -> None:
    result = await evaluated(
        run, endpoint, "--query-template", "template.json", "--by", "lang", "--report", "out/report.html",
        "--json", "out/result.json", "--runs", "out/runs",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2 queries, index docs" in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert [row[:4] for row in rows if row[:1] == ["Success@1"]] == [["Success@1", "0.500", "0.500", "+0.000"]]
    assert [row[:5] for row in rows if row[:1] in (["de"], ["en"])] == [
        ["de", "(1)", "1.000", "0.631", "-0.369"],
        ["en", "(1)", "0.631", "1.000", "+0.369"],
    ]
    assert "Queries: 1 better, 1 worse, 0 equal." in result.output
    assert "  1.000 -> 0.631  2: Schlauch" in result.output
    assert "note: Judged queries that are not in the file of queries: 1." in result.output
    assert "not reranked" not in result.output
    found = json.loads((files / "out" / "result.json").read_text())
    assert found["outcomes"] == {"reranked": 2}
    assert found["queries"][0]["hits"] == {"baseline": ["b", "a"], "endpoint": ["a", "b"]}
    assert (files / "out" / "report.html").read_text().startswith("<!doctype html>")
    assert (files / "out" / "runs" / "qrels").read_text() == "1 0 a 1\n2 0 b 1\n"


async def test_the_engine_gets_the_body_of_the_application(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, files: Path
) -> None:
    await evaluated(run, endpoint, "--query-template", "template.json", "-H", "Authorization: ApiKey x")
    searches = [received for received in engine.seen if "_field_caps" not in received.target]
    assert {received.json["query"]["match"]["body"] for received in searches} == {"hose", "Schlauch"}
    assert {received.headers["Authorization"] for received in searches} == {"ApiKey x"}
    assert searches[0].json["size"] == 50


async def test_another_baseline_is_searched_without_the_header(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, files: Path
) -> None:
    result = await evaluated(run, endpoint, "--baseline", engine.url, "--json", "result.json")
    assert result.exit_code == 0, result.output
    assert json.loads((files / "result.json").read_text())["baseline"] == engine.url
    assert all("X-Rerank-Mode" not in received.headers for received in engine.seen)


async def test_an_evaluation_continues_from_its_file(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, files: Path
) -> None:
    first = await evaluated(run, endpoint, "--resume", "searches.jsonl")
    searches = engine.targets()
    assert len(searches) >= 4
    second = await evaluated(run, endpoint, "--resume", "searches.jsonl")
    assert second.output == first.output
    assert engine.targets() == searches
    other = await evaluated(run, endpoint, "--resume", "searches.jsonl", "--window", "20")
    assert "searches.jsonl:1: size: the file was written with another value" in str(other.exception)


async def test_several_windows_are_compared(run: Run, endpoint: RunningEndpoint, files: Path) -> None:
    result = await evaluated(run, endpoint, "--windows", "20,2", "--json", "result.json", "--report", "report.html")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("nDCG@10 by window"))
    assert [line.split()[:4] for line in lines[start + 1 : start + 3]] == [
        ["2", "0.815", "0.815", "+0.000"],
        ["20", "0.815", "0.815", "+0.000"],
    ]
    found = json.loads((files / "result.json").read_text())
    assert list(found["windows"]) == ["2", "20"]
    assert "window 20</title>" in (files / "report.html").read_text()


@pytest.mark.parametrize(
    ("conditions", "failures"),
    [
        (["success@1>=0.5", "ndcg@10>=baseline"], 0),
        (["success@1>0.5", "ndcg@10>=0.9", "mrr@10>=0.7"], 2),
    ],
)
async def test_the_exit_status_tells_whether_all_conditions_are_met(
    run: Run, endpoint: RunningEndpoint, files: Path, conditions: list[str], failures: int
) -> None:
    result = await evaluated(run, endpoint, *(word for one in conditions for word in ("--fail-under", one)))
    assert (result.exception is not None) == (failures > 0)
    assert str(result.exception or "").count("--fail-under ") == failures
    assert isinstance(result.exception, EsRerankError | None)
    assert "nDCG@10" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fail-under", "ndcg@5>=0.1"], "the measures are ndcg@10, "),
        (["--queries", "none.csv"], "none.csv: cannot be read"),
        (["--judgments", "queries.jsonl"], "queries.jsonl:2: not valid JSON"),
        (["--query-template", "queries.jsonl"], "queries.jsonl:2: not valid JSON"),
        (["--judgments", "other.tsv"], "other.tsv: no query of queries.jsonl is judged"),
        (["--endpoint", "http://me:pw@127.0.0.1:9"], "must not contain credentials"),
        (["--endpoint", "http://127.0.0.1:9"], "http://127.0.0.1:9/docs/_search: no response"),
        (["--by", "shop"], "--by: no query has the field 'shop'; the fields are: lang"),
        (["--windows", "1"], "--windows: '1' must be numbers from 2 to 1000"),
        (["-H", "s3cret"], "use the form NAME:VALUE"),
        (["--ca", "none.pem"], "none.pem: cannot be read as PEM"),
    ],
)
async def test_an_error_says_what_to_fix(
    run: Run, endpoint: RunningEndpoint, files: Path, options: list[str], message: str
) -> None:
    (files / "other.tsv").write_text("7 0 a 1\n")
    result = await evaluated(run, endpoint, *options)
    assert isinstance(result.exception, EsRerankError), result.output
    assert message in str(result.exception)
    assert "s3cret" not in str(result.exception)


@pytest.mark.parametrize("package", ["ir_measures", "numpy"])
async def test_without_the_extra_the_error_says_how_to_install_it(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = await evaluated(run, endpoint)
    assert "pip install 'es-rerank[eval]'" in str(result.exception)
    assert engine.seen == []
