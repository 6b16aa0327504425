from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from click.testing import Result

from es_rerank.errors import EsRerankError
from es_rerank.testing import (
    FakeResponse,
    FakeServer,
    RunningEndpoint,
)
from tests.cli.conftest import Run

QUERIES = '{"_id": "1", "text": "hose"}\n{"_id": "2", "text": "Schlauch"}\n'
TEMPLATE = '{"query": {"match": {"body": "{{query}}"}}}'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "queries.jsonl").write_text(QUERIES)
    (tmp_path / "template.json").write_text(TEMPLATE)
    return tmp_path


def arguments(endpoint: RunningEndpoint, *options: str) -> list[str]:
    given = ("--index", "docs", "--queries", "queries.jsonl", "--query-template", "template.json")
    return ["bench", "--endpoint", endpoint.url, *given, *options]


async def measured(run: Run, endpoint: RunningEndpoint, *options: str) -> Result:
    return await asyncio.to_thread(run, *arguments(endpoint, *options))


@pytest.mark.parametrize("load", [["--clients", "2"], ["--rate", "20"]])
async def test_both_sides_are_measured_in_one_run(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, files: Path, load: list[str]
) -> None:
    result = await measured(run, endpoint, *load, "--seconds", "1", "--json", "out/result.json", "--size", "3")
    assert result.exit_code == 0, result.output
    found = json.loads((files / "out" / "result.json").read_text())
    sides = found["sides"]
    assert list(sides["baseline"]["outcomes"]) == ["skipped; why=off"]
    assert list(sides["endpoint"]["outcomes"]) == ["reranked"]
    assert all(side["searches"] > 2 and not side["errors"] for side in sides.values())
    assert set(sides["endpoint"]["server_timing"]) == {"engine", "rerank", "proxy"}
    assert set(found["ratios"]) >= {"searches_per_second", "p50", "p99.9"}
    assert (found["interrupted"], found["queries"]) == (False, 2)
    assert "baseline  endpoint  ratio" in result.output
    assert f"{sides['endpoint']['searches']:6} reranked" in result.output
    searches = [received for received in engine.seen if "_field_caps" not in received.target]
    assert {received.json["query"]["match"]["body"] for received in searches} == {"hose", "Schlauch"}


async def test_another_baseline_is_searched_without_the_header(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, files: Path
) -> None:
    options = ("--baseline", engine.url, "--searches", "3", "-H", "Authorization: ApiKey x", "--json", "r.json")
    result = await measured(run, endpoint, *options)
    assert result.exit_code == 0, result.output
    found = json.loads((files / "r.json").read_text())
    assert found["baseline"] == engine.url
    assert {side["searches"] for side in found["sides"].values()} == {3}
    assert all("X-Rerank-Mode" not in received.headers for received in engine.seen)
    assert {received.headers["Authorization"] for received in engine.seen} == {"ApiKey x"}


async def test_ctrl_c_prints_what_was_measured_so_far(
    endpoint: RunningEndpoint, engine: FakeServer, files: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        # Tests that run in the background of a shell ignore SIGINT, and so would the process.
        "env", "--default-signal=INT",
        sys.executable, "-m", "es_rerank", *arguments(endpoint, "--seconds", "60", "--json", "result.json"),
        cwd=files, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        await engine.reached(20)
        process.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 130
    assert ", interrupted" in output.decode().splitlines()[0]
    found = json.loads((files / "result.json").read_text())
    assert found["interrupted"] is True
    assert found["sides"]["baseline"]["searches"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--queries", "none.csv"], "none.csv: cannot be read"),
        (["--query-template", "queries.jsonl"], "queries.jsonl:2: not valid JSON"),
        (["--endpoint", "http://me:pw@127.0.0.1:9"], "must not contain credentials"),
        (["--endpoint", "http://127.0.0.1:9"], "http://127.0.0.1:9/docs/_search: no response"),
        (["--baseline", "http://127.0.0.1:9"], "http://127.0.0.1:9/docs/_search: no response"),
        (["-H", "s3cret"], "use the form NAME:VALUE"),
        (["--ca", "none.pem"], "none.pem: cannot be read as PEM"),
    ],
)
async def test_an_error_says_what_to_fix(
    run: Run, endpoint: RunningEndpoint, files: Path, options: list[str], message: str
) -> None:
    result = await measured(run, endpoint, *options)
    assert isinstance(result.exception, EsRerankError), result.output
    assert message in str(result.exception)


async def test_a_search_that_the_engine_rejects_is_an_error_at_once(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, files: Path
) -> None:
    engine.says[""] = FakeResponse(b'{"error":{"reason":"no such index [docs]"},"status":404}', 404)
    result = await measured(run, endpoint)
    assert f"{endpoint.url}/docs/_search: status 404: no such index [docs]" in str(result.exception)


async def test_clients_and_rate_exclude_each_other(run: Run, endpoint: RunningEndpoint, files: Path) -> None:
    result = await measured(run, endpoint, "--clients", "2", "--rate", "5")
    assert (result.exit_code, "cannot be used together" in result.output) == (2, True)


async def test_without_the_extra_the_error_says_how_to_install_it(
    run: Run, endpoint: RunningEndpoint, engine: FakeServer, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    result = await measured(run, endpoint)
    assert "pip install 'es-rerank[bench]'" in str(result.exception)
    assert engine.seen == []
