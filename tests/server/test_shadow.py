"""What is measured after the response, in process, between a client, a fake engine and a fake model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from es_rerank.errors import UpstreamError
from es_rerank.model import CallOptions
from es_rerank.search.order_change import Change
from es_rerank.server.metrics import Metrics
from es_rerank.server.shadow import ShadowRunner
from es_rerank.testing import FakeResponse, ReceivedRequest, RunningEndpoint, until
from tests.server.handlers.engine import BEST, HOSE, running, search

SHADOW = [("X-Rerank-Mode", "shadow")]


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "docs.yaml").write_text(f"index: docs\n{text}\n")
    return folder


async def counted(proxy: RunningEndpoint, line: str) -> None:
    """Wait until the metrics have a line."""
    async with asyncio.timeout(5):
        while line.encode() not in (await proxy.pages.send("GET", "/_rerank/metrics")).body:  # noqa: ASYNC110 - from outside
            await asyncio.sleep(0.02)


async def test_a_shadow_search_has_the_engines_order_and_is_measured(mappings: Path) -> None:
    async with running(mappings=write(mappings, "mode: shadow")) as (proxy, engine, model):
        got = await proxy.search(size=2)
        await counted(proxy, "es_rerank_shadow_rbo_count 1.0")
        assert (got.ids, got.headers["X-Rerank"]) == (["1", "2"], "shadow")
        await counted(proxy, 'es_rerank_shadow_top_total{changed="true"} 1.0')
        await counted(proxy, "es_rerank_shadow_overlap_sum 1.0")
        await counted(proxy, 'es_rerank_searches_total{outcome="shadow",why="shadow"} 1.0')
    assert engine.targets() == ["/docs/_search", "/docs/_search?from=0&size=50"]
    assert len(model.seen) == 1


async def test_a_client_may_have_each_of_its_searches_only_measured() -> None:
    lines = b"".join(b'{}\n{"query":{"match":{"body":"hose"}}}\n' for _ in range(2))
    async with running() as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_msearch", lines, [*SHADOW, ("Content-Type", "application/x-ndjson")])
        assert got.headers["X-Rerank"] == "shadow, shadow"
        await counted(proxy, "es_rerank_shadow_rbo_count 2.0")
        assert (await proxy.send("POST", "/docs/_search", HOSE)).ids == BEST


@pytest.mark.parametrize("model", [FakeResponse(b"oops", status=500), FakeResponse(b"{}", seconds=5)])
async def test_a_model_that_fails_or_is_slow_does_not_affect_a_shadow_search(model: FakeResponse) -> None:
    async with running(model=model) as (proxy, _, _):
        got = await proxy.search(size=2, headers=SHADOW)
        assert (got.status, got.ids, got.headers["X-Rerank"]) == (200, ["1", "2"], "shadow")


@pytest.mark.parametrize("target", ["/docs/_search", "/docs/_msearch"])
async def test_the_memory_of_measurements_is_released(target: str) -> None:
    body = json.dumps(HOSE).encode() if target == "/docs/_search" else b"{}\n%b\n" % json.dumps(HOSE).encode()
    headers = [*SHADOW, ("Content-Type", "application/x-ndjson" if target == "/docs/_msearch" else "application/json")]
    async with running(max_memory=4096) as (proxy, _, _):
        for number in range(1, 21):
            await proxy.send("POST", target, body, headers)
            await counted(proxy, f"es_rerank_shadow_rbo_count {number}.0")
        got = await proxy.send("POST", "/docs/_search", HOSE)
    assert got.headers["X-Rerank"].startswith("reranked")


async def test_a_sample_has_the_same_searches_every_time(mappings: Path) -> None:
    async with running(mappings=write(mappings, "mode: sample\nsample_rate: 0.5")) as (proxy, _, _):

        async def states(key: str, place: str) -> list[str]:
            found = []
            for number in range(40):
                headers = [("X-Rerank-Key", f"{key}{number}")] if place == "header" else []
                query_string = f"?preference={key}{number}" if place == "preference" else ""
                got = await proxy.search(target=f"/docs/_search{query_string}", headers=headers)
                found.append(got.headers["X-Rerank"].split("; ")[0])
            return found

        first = await states("s", "header")
        assert first == await states("s", "header") == await states("s", "preference")
        assert {"reranked", "skipped"} == set(first)
        assert 8 < first.count("reranked") < 32
        assert len({(await proxy.search("hose")).headers["X-Rerank"].partition(";")[0] for _ in range(5)}) == 1


@pytest.mark.parametrize(("rate", "outcome"), [(0, "skipped; why=sampled_out"), (1, "reranked; window=4")])
async def test_a_sample_of_none_and_of_all(mappings: Path, rate: int, outcome: str) -> None:
    async with running(mappings=write(mappings, f"mode: sample\nsample_rate: {rate}")) as (proxy, _, _):
        assert (await proxy.search()).headers["X-Rerank"].startswith(outcome)


async def test_a_measurement_beyond_the_limit_is_dropped_and_counted() -> None:
    metrics, go_on = Metrics(), asyncio.Event()
    options = CallOptions(arrived=1.0)
    received = []

    async def measuring(given: CallOptions) -> Change:
        received.append(given)
        await go_on.wait()
        return Change(1.0, 1.0, top=False)

    shadows = ShadowRunner(metrics, 2)
    shadows.start([measuring] * 3, options)
    assert repr(shadows) == "<ShadowRunner 2 of 2 in flight>"
    go_on.set()
    await until(lambda: "0 of 2" in repr(shadows))
    shadows.start([measuring], options)
    await until(lambda: "0 of 2" in repr(shadows))
    text = metrics.text().decode()
    assert "es_rerank_shadow_rbo_count 3.0" in text
    assert "es_rerank_shadow_dropped_total 1.0" in text
    assert received == [options] * 3
    go_on.clear()
    shadows.start([measuring], options)
    await shadows.close()
    assert "es_rerank_shadow_rbo_count 3.0" in metrics.text().decode()


@pytest.mark.parametrize(
    ("failure", "level"),
    [(UpstreamError("the engine's response was cut off"), "debug"), (RuntimeError("a failure of es-rerank"), "error")],
    ids=["engine", "es-rerank"],
)
async def test_a_measurement_that_fails_is_logged_and_others_go_on(failure: Exception, level: str) -> None:
    metrics = Metrics()

    async def failing(_: CallOptions) -> Change:
        raise failure

    async def measuring(_: CallOptions) -> Change:
        return Change(1.0, 1.0, top=False)

    async def undecided(_: CallOptions) -> None:
        return None

    shadows = ShadowRunner(metrics, 8)
    with capture_logs() as logs:
        shadows.start([failing, measuring, undecided], CallOptions())
        await until(lambda: "0 of 8" in repr(shadows))
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("shadow measurement failed", level)
    assert entry.get("reason") == (str(failure) if level == "debug" else None)
    assert "es_rerank_shadow_rbo_count 1.0" in metrics.text().decode()
    await shadows.close()


async def test_a_measurement_whose_engine_is_gone_by_then_is_not_recorded() -> None:
    async with running() as (proxy, engine, model):
        first = search

        def once(received: ReceivedRequest) -> FakeResponse:
            """Answer the client's search, and break off the response that is to be measured."""
            return FakeResponse([b"{"], cut_off=True) if "size=50" in received.target else first(received)

        engine.says[""] = once
        got = await proxy.search(size=2, headers=SHADOW)
        assert (got.status, got.ids, got.headers["X-Rerank"]) == (200, ["1", "2"], "shadow")
        await until(lambda: any("size=50" in target for target in engine.targets()))
        engine.says[""] = first
        await proxy.search(size=2, headers=SHADOW)
        await counted(proxy, "es_rerank_shadow_rbo_count 1.0")
        assert len(model.seen) == 1
