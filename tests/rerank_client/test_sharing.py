"""Two rerankers that share scores and vectors through a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.model import Scored
from es_rerank.rerank_client.client import Reranker
from es_rerank.rerank_client.shared_cache import SCORES
from es_rerank.rerank_client.sharing import shared_cache
from es_rerank.testing import FakeServer, fake_settings, score_response, serve_fake, until
from tests.redis_server import Redis, redis_server
from tests.rerank_client.embedding import embedding
from tests.rerank_client.reranking import BY_TEXT, ask

E5 = {"profile": "e5", "shared_cache_timeout": "2s"}
TEXTS = [f"text {number} mend" for number in range(20)]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@asynccontextmanager
async def rerankers(responder: Any, redis: Redis, *each: dict[str, Any]) -> AsyncIterator[tuple[Any, ...]]:
    """Run rerankers with these settings and one rerank server. Yield the server and the rerankers."""
    redis.command("FLUSHALL")
    async with serve_fake(FakeServer({"/": responder})) as server:
        settings = ({"shared_cache": redis.url, "shared_cache_timeout": "2s"} | own for own in each)
        found = [Reranker(fake_settings(reranker=server, **one)) for one in settings]
        with capture_logs():
            try:
                yield server, *found
            finally:
                for one in found:
                    await one.close()


async def stored(reranker: Reranker) -> None:
    shared = reranker._scorer.shared
    assert shared is not None
    await until(lambda: not shared._waiting)


async def test_the_second_process_finds_all_scores_of_the_first_one(redis: Redis) -> None:
    async with rerankers(score_response(BY_TEXT), redis, {}, {"score_cache_size": 0}) as (server, one, two):
        first = await one.score(ask(*TEXTS))
        await stored(one)
        asked = len(server.seen)
        second = await two.score(ask(*TEXTS))
        assert isinstance(second, Scored)
        assert (second.probabilities, second.cached, first.cached) == (first.probabilities, len(TEXTS), 0)
        assert len(server.seen) == asked
        assert two.health.shared_lookups == {"hit": len(TEXTS), "miss": 0}


async def test_the_second_process_finds_all_vectors_of_the_first_one(redis: Redis) -> None:
    async with rerankers(embedding(), redis, E5, E5) as (server, one, two):
        first = await one.score(ask(*TEXTS))
        assert isinstance(first, Scored)
        await stored(one)
        asked = len(server.seen)
        second = await two.score(ask(*TEXTS))
        assert isinstance(second, Scored)
        assert (second.probabilities, second.cached, len(server.seen)) == (first.probabilities, len(TEXTS), asked)
        await two.score(ask(*TEXTS, query="another query"))
        assert len(server.seen) == asked + 1


@pytest.mark.parametrize(
    "other",
    [{"model": "other/model"}, {"profile": "qwen3-reranker-0.6b"}, {"backend": "tei"}, {"shared_cache_prefix": "test"}],
)
async def test_values_of_another_model_profile_backend_or_prefix_are_not_used(redis: Redis, other: Any) -> None:
    async with rerankers(score_response(BY_TEXT), redis, {}, other) as (_, one, two):
        await one.score(ask("a", "b"))
        await stored(one)
        await two.score(ask("a", "b"))
        assert two.health.shared_lookups == {"hit": 0, "miss": 2}


async def test_vectors_of_another_length_end_the_use_of_the_shared_cache(redis: Redis) -> None:
    async with rerankers(embedding(), redis, E5, E5) as (_, one, two):
        await one.score(ask(*TEXTS))
        await stored(one)
        keys = redis.command("--no-raw", "KEYS", "*")
        assert '1) "es-rerank:vectors-half:vllm:e5:intfloat/multilingual-e5-small:' in keys
        script = "for _,k in ipairs(redis.call('KEYS','*')) do redis.call('SET',k,string.rep('a',6)) end"
        redis.command("EVAL", script, "0")
        await two.score(ask(*TEXTS[:5], query="another query"))
        assert isinstance(await two.score(ask(*TEXTS, query="another query")), Scored)


async def test_without_the_setting_there_is_no_shared_cache() -> None:
    assert shared_cache(fake_settings(), "some/model", "scores", SCORES, lambda *_: None) is None


async def test_searches_are_scored_while_redis_is_down_and_it_is_used_again(redis: Redis, tmp_path: Path) -> None:
    with redis_server(tmp_path) as own:
        async with rerankers(score_response(BY_TEXT), own, {"shared_cache_timeout": "3ms"}) as (_, one):
            for number in range(100):
                if number == 30:
                    own.kill()
                if number == 70:
                    own.start()
                assert isinstance(await one.score(ask("a", "b", query=f"query {number}")), Scored)
            before = one.health.shared_lookups.get("miss", 0)

            async def asked_again() -> None:
                number = 0
                while one.health.shared_lookups.get("miss", 0) == before:
                    number += 1
                    await one.score(ask("a", "b", query=f"later query {number}"))
                    await asyncio.sleep(0.01)

            await asyncio.wait_for(asked_again(), 5)
