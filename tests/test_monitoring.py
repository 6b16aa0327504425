"""The rules and the dashboard of docker/monitoring, with promtool and a real Prometheus that scrapes an endpoint."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from es_rerank.server.metric_table import METRIC_PREFIX, METRICS
from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    RunningEndpoint,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
)
from es_rerank_lab.parts.process import Command, Process
from es_rerank_lab.parts.prometheus import prometheus_program
from tests.dashboard import DASHBOARD, FOLDER, PANELS, dashboard
from tests.live.ports import free_ports

RULES = FOLDER / "rules.yaml"
LIMIT_S = 60
# Queries whose result has values as soon as a search was reranked and another failed.
FILLED = {
    "Degraded",
    "Rerank servers by state",
    "Version",
    "Searches by outcome",
    "Time per request",
    "Engine",
    "Tokens",
}


def promtool(*arguments: str | Path) -> str:
    run = subprocess.run([prometheus_program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def test_the_rules_are_valid_and_their_unit_tests_pass() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", FOLDER / "rules.test.yaml")
    promtool("check", "config", FOLDER / "prometheus.yaml")


def test_every_alert_has_a_test_and_says_what_to_do() -> None:
    tested = (FOLDER / "rules.test.yaml").read_text("utf-8")
    for rule in rules():
        if name := rule.get("alert"):
            assert re.search(rf"alertname: {name}\n.*\n\s+exp_alerts", tested), name
            assert rule["annotations"].keys() == {"summary", "do"}


def test_the_dashboard_is_current() -> None:
    assert DASHBOARD.read_text("utf-8") == dashboard(), "run `make docs`"


def test_rules_and_dashboard_use_only_metrics_that_exist() -> None:
    names = {METRIC_PREFIX + name for name in METRICS}
    for text in (RULES.read_text("utf-8"), dashboard()):
        used = set(re.findall(r"(?<![\w:/])es_rerank_\w+", text))
        assert used
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= names


@pytest.fixture(scope="module")
async def endpoint() -> AsyncIterator[RunningEndpoint]:
    """An endpoint that has reranked a search, failed to rerank one, and skipped one."""
    caps = FakeResponse(json.dumps(CAPS).encode())
    hits = FakeResponse(search_response(("1", 2.0, "a garden hose"), ("2", 1.0, "mend a hose")))
    responses: list[Any] = []
    engine = FakeServer({"/docs/_field_caps": caps, "": hits})
    reranker = FakeServer({"": lambda seen: responses[0] if responses else score_response()(seen)})
    async with serve_fake(engine), serve_fake(reranker), running_endpoint(fake_settings(engine, reranker)) as proxy:
        assert (await proxy.search()).headers["X-Rerank"].startswith("reranked")
        responses.append(FakeResponse(b"oops", status=500))
        assert (await proxy.search("rain")).headers["X-Rerank"].startswith("failed")
        await proxy.search(sort="date")
        responses.clear()
        yield proxy


@pytest.fixture(scope="module")
def server(endpoint: RunningEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus that scrapes the endpoint every second; yields its URL."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [endpoint.own.removeprefix("http://")]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    place = f"127.0.0.1:{free_ports(1)[0]}"
    argv = [
        str(prometheus_program("prometheus")),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={place}",
    ]
    process = Process(Command(argv=argv, log=folder / "log", env={}))
    try:
        yield f"http://{place}"
    finally:
        process.stop()


async def query(session: aiohttp.ClientSession, url: str, expression: str) -> list[Any]:
    """Return the result of a query; a query that Prometheus rejects is an error."""
    runnable = expression.replace("$instance", ".+").replace("$__rate_interval", "10s")
    async with session.get(f"{url}/api/v1/query", params={"query": runnable}) as reply:
        answer = await reply.json()
    assert answer["status"] == "success", (expression, answer)
    return list(answer["data"]["result"])


async def test_a_real_prometheus_answers_every_query_of_the_dashboard_and_of_the_rules(
    endpoint: RunningEndpoint, server: str
) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(LIMIT_S):
        while True:
            try:
                if await query(session, server, "sum(rate(es_rerank_searches_total[10s])) >= 0"):
                    break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
        await endpoint.search("wind")
        found = {row.title: [await query(session, server, text) for text, _ in row.queries] for row in PANELS}
        for rule in rules():
            await query(session, server, rule["expr"])
        async with session.get(f"{server}/api/v1/rules") as reply:
            groups = (await reply.json())["data"]["groups"]
    assert {title for title in FILLED if not all(found[title])} == set()
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert [sample["value"][1] for sample in found["Degraded"][0]] == ["0"]
