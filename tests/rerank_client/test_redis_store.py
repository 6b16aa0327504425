"""Values in a real Redis: one server, with TLS and users, and a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from es_rerank.errors import ConfigError
from es_rerank.model import Failed
from es_rerank.rerank_client.redis_store import RedisStore
from es_rerank.testing import fake_settings
from tests.redis_server import Redis, redis_cluster, redis_server

VALUES = {b"es-rerank:%d" % number: b"value %d" % number for number in range(50)}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def store(url: str, **settings: Any) -> RedisStore:
    return RedisStore(fake_settings(shared_cache=url, **settings), url)


async def round_trip(used: RedisStore) -> None:
    try:
        assert await used.ping() is None
        assert await used.put_many(VALUES) is None
        assert await used.get_many([*VALUES, b"es-rerank:missing"]) == [*VALUES.values(), None]
    finally:
        await used.close()


async def test_values_are_stored_and_expire(redis: Redis) -> None:
    await round_trip(store(redis.url, shared_cache_ttl="7d"))
    assert 604_000 < int(redis.command("TTL", "es-rerank:7")) <= 604_800


async def test_a_database_is_chosen_by_its_number(redis: Redis) -> None:
    await round_trip(store(f"{redis.url}/5"))
    assert redis.command("-n", "5", "GET", "es-rerank:7") == "value 7"


async def test_a_server_that_does_not_exist_is_a_failure() -> None:
    used = store("redis://127.0.0.1:9")
    for answer in (await used.ping(), await used.get_many([b"a"]), await used.put_many(VALUES)):
        assert isinstance(answer, Failed)
        assert "127.0.0.1:9" in answer.detail
    await used.close()


async def test_a_user_needs_few_rights_and_a_wrong_password_is_a_failure_that_does_not_show_it(tmp_path: Path) -> None:
    user = ["reranker", "on", ">s3cret", "~es-rerank:*", "-@all", "+mget", "+set", "+ping"]
    with redis_server(tmp_path, "--user", *user, "--requirepass", "other") as server:
        await round_trip(store(server.url, shared_cache_username="reranker", shared_cache_password="s3cret"))
        used = store(server.url, shared_cache_username="reranker", shared_cache_password="guessed-s3cret")
        answer = await used.get_many([b"a"])
        assert isinstance(answer, Failed)
        assert "guessed" not in answer.detail
        await used.close()


async def test_tls_is_verified(tmp_path: Path) -> None:
    ca, certificate, key = tmp_path / "ca.crt", tmp_path / "redis.crt", tmp_path / "redis.key"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    files = [
        "--tls-cert-file",
        str(certificate),
        "--tls-key-file",
        str(key),
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        str(ca),
    ]
    with redis_server(tmp_path) as plain, redis_server(tmp_path, "--tls-port", str(plain.port + 1), *files):
        url = f"rediss://127.0.0.1:{plain.port + 1}"
        await round_trip(store(url, shared_cache_ca=ca))
        used = store(url)
        answer = await used.ping()
        assert isinstance(answer, Failed)
        assert "certificate" in answer.detail
        await used.close()


async def test_a_cluster_stores_values_on_all_nodes(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as nodes:
        await round_trip(store(nodes[0].url.replace("redis:", "redis+cluster:")))
        counts = [int(node.command("DBSIZE")) for node in nodes]
        assert sum(counts) == len(VALUES)
        assert all(counts)
        used = store(nodes[0].url.replace("redis:", "redis+cluster:"))
        for node in nodes:
            node.kill()
        assert isinstance(await used.get_many([b"a"]), Failed)
        await used.close()


async def test_without_the_extra_the_setting_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"es-rerank\[redis\]"):
        store("redis://127.0.0.1:9")
