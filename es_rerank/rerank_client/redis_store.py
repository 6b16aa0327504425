"""Stores values in Redis or Valkey. Exceptions of the client library are returned as `Failed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError
from es_rerank.model import Failed, Why

_TIMEOUT_SECONDS = 1.0
_MAX_CONNECTIONS = 16
_CLUSTER = "+cluster"


class RedisStore:
    """The connections to one Redis server, or to a Redis Cluster."""

    def __init__(self, settings: Settings, url: str) -> None:
        """Prepare to connect to *url*.

        Raises:
            ConfigError: redis-py is not installed.

        """
        try:
            import redis.asyncio  # noqa: PLC0415 - an optional extra
            from redis.backoff import NoBackoff  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError("shared_cache: requires an extra: pip install 'es-rerank[redis]'") from error
        self._errors = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)
        self._seconds = int(settings.shared_cache_ttl)
        self._is_cluster = _CLUSTER in url
        self._client: Any = _client(redis.asyncio, settings, url, redis.asyncio.retry.Retry(NoBackoff(), 0))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def ping(self) -> Failed | None:
        """Check the connection. Return the failure if the store cannot be used, otherwise None."""
        try:
            await self._client.ping()
        except self._errors as error:
            return _failure(error)
        return None

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | Failed:
        """Return the value of each key; None for a key without a value. Send one MGET (in a cluster, one per slot)."""
        get = self._client.mget_nonatomic if self._is_cluster else self._client.mget
        try:
            found: Sequence[bytes | None] = await get(keys)
        except self._errors as error:
            return _failure(error)
        return found

    async def put_many(self, values: Mapping[bytes, bytes]) -> Failed | None:
        """Store values in one pipeline, with the lifetime `shared_cache_ttl`. Return the failure, or None."""
        pipeline = self._client.pipeline(transaction=False)
        for key, value in values.items():
            pipeline.set(key, value, ex=self._seconds)
        try:
            await pipeline.execute()
        except self._errors as error:
            return _failure(error)
        return None


def _client(library: Any, settings: Settings, url: str, no_retry: Any) -> Any:
    """Return the Redis client, which does not retry failed requests, because a search does not wait for a retry."""
    password, ca = settings.shared_cache_password, settings.shared_cache_ca
    options: dict[str, Any] = {
        "username": settings.shared_cache_username,
        "password": password.get_secret_value() if password else None,
        # Version 2 of the protocol needs fewer requests to open a connection than version 3.
        "protocol": 2,
        "socket_timeout": _TIMEOUT_SECONDS,
        "socket_connect_timeout": _TIMEOUT_SECONDS,
        "retry": no_retry,
    }
    if ca and url.startswith("rediss"):
        options["ssl_ca_certs"] = str(ca)
    if _CLUSTER in url:
        return library.RedisCluster.from_url(url.replace(_CLUSTER, ""), **options)
    pool = library.BlockingConnectionPool.from_url(
        url, max_connections=_MAX_CONNECTIONS, timeout=_TIMEOUT_SECONDS, **options
    )
    return library.Redis.from_pool(pool)


def _failure(error: Exception) -> Failed:
    """Convert an exception to a failure. Its message may contain addresses and user names, but no password or key."""
    return Failed(Why.UNREACHABLE, f"{type(error).__name__}: {error}")
