"""Creates the shared cache from the settings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from es_rerank.config.settings import Settings
from es_rerank.rerank_client.redis_store import RedisStore
from es_rerank.rerank_client.shared_cache import Codec, SharedCache

Value = TypeVar("Value")


def shared_cache(
    settings: Settings,
    model: str,
    contents: str,
    codec: Codec[Value],
    found: Callable[[Collection[bytes], Collection[Value]], None],
) -> SharedCache[Value] | None:
    """Return the shared cache, or None if the setting `shared_cache` is not set.

    Args:
        settings: The settings.
        model: The name of the model.
        contents: A name for the values, which is a part of all keys. Values that are computed in different ways need
            different names.
        codec: Converts values to bytes and back.
        found: Called with the keys and values of each lookup.

    Raises:
        ConfigError: redis-py is not installed.

    """
    url = settings.shared_cache
    if url is None:
        return None
    prefix = f"{settings.shared_cache_prefix}:{contents}:{settings.backend}:{settings.profile}:{model}:"
    return SharedCache(RedisStore(settings, url), codec, prefix, settings.shared_cache_timeout, found)
