"""What is done beside the answers: in process, between a client, a fake engine and a fake model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from es_rerank.search.order_change import Change
from es_rerank.server.metrics import Metrics
from es_rerank.server.shadow import ShadowRunner
from es_rerank.testing import FakeResponse, RunningEndpoint
from tests.server.handlers.engine import BEST, HOSE, running

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


async def test_a_shadow_shows_the_engines_answer_and_measures_what_would_change(mappings: Path) -> None:
    async with running(mappings=write(mappings, "mode: shadow")) as (proxy, engine, model):
        got = await proxy.search(size=2)
        await counted(proxy, "es_rerank_shadow_rbo_count 1.0")
        assert (got.ids, got.headers["X-Rerank"]) == (["1", "2"], "shadow")
        await counted(proxy, 'es_rerank_shadow_top_total{changed="true"} 1.0')
        await counted(proxy, "es_rerank_shadow_overlap_sum 1.0")
        await counted(proxy, 'es_rerank_searches_total{outcome="shadow",why="shadow"} 1.0')
    assert engine.targets() == ["/docs/_search", "/docs/_search?from=0&size=50"]
    assert len(model.seen) == 1


async def test_a_client_may_ask_for_a_shadow_of_each_of_its_searches() -> None:
    lines = b"".join(b'{}\n{"query":{"match":{"body":"hose"}}}\n' for _ in range(2))
    async with running() as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_msearch", lines, [*SHADOW, ("Content-Type", "application/x-ndjson")])
        assert got.headers["X-Rerank"] == "shadow, shadow"
        await counted(proxy, "es_rerank_shadow_rbo_count 2.0")
        assert (await proxy.send("POST", "/docs/_search", HOSE)).ids == BEST


@pytest.mark.parametrize("model", [FakeResponse(b"oops", status=500), FakeResponse(b"{}", seconds=5)])
async def test_a_model_that_fails_or_is_slow_is_nobodys_loss(model: FakeResponse) -> None:
    async with running(model=model) as (proxy, _, _):
        got = await proxy.search(size=2, headers=SHADOW)
        assert (got.status, got.ids, got.headers["X-Rerank"]) == (200, ["1", "2"], "shadow")


async def test_a_split_reranks_the_same_share_every_time(mappings: Path) -> None:
    async with running(mappings=write(mappings, "mode: sample\nsample_rate: 0.5")) as (proxy, _, _):

        async def arms(name: str, place: str) -> list[str]:
            found = []
            for at in range(40):
                headers = [("X-Rerank-Key", f"{name}{at}")] if place == "header" else []
                more = f"?preference={name}{at}" if place == "preference" else ""
                got = await proxy.search(target=f"/docs/_search{more}", headers=headers)
                found.append(got.headers["X-Rerank"].split("; ")[0])
            return found

        first = await arms("s", "header")
        assert first == await arms("s", "header") == await arms("s", "preference")
        assert {"reranked", "skipped"} == set(first)
        assert 8 < first.count("reranked") < 32
        assert len({(await proxy.search("hose")).headers["X-Rerank"].partition(";")[0] for _ in range(5)}) == 1


@pytest.mark.parametrize(("share", "said"), [(0, "skipped; why=sampled_out"), (1, "reranked; window=4")])
async def test_the_ends_of_a_split(mappings: Path, share: int, said: str) -> None:
    async with running(mappings=write(mappings, f"mode: sample\nsample_rate: {share}")) as (proxy, _, _):
        assert (await proxy.search()).headers["X-Rerank"].startswith(said)


async def test_no_more_than_so_many_are_measured_at_a_time() -> None:
    metrics, go_on = Metrics(), asyncio.Event()

    async def measuring() -> Change:
        await go_on.wait()
        return Change(1.0, 1.0, top=False)

    shadows = ShadowRunner(metrics, 2)
    shadows.begin([measuring] * 3)
    go_on.set()
    await asyncio.sleep(0.01)
    shadows.begin([measuring])
    await asyncio.sleep(0.01)
    text = metrics.text().decode()
    assert "es_rerank_shadow_rbo_count 3.0" in text
    assert "es_rerank_shadow_dropped_total 1.0" in text
    go_on.clear()
    shadows.begin([measuring])
    await shadows.close()
