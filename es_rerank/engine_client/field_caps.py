"""Resolves an index expression to concrete indices and field types with the engine's field capabilities API.

`_field_caps` only requires read access to the index, so it is called with the caller's own credentials. The engine
resolves aliases, wildcards and data streams. Results are cached per caller for a minute; failures are cached for at
most three seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from multidict import CIMultiDict

from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.mapping_cache import MappingCache
from es_rerank.errors import UpstreamError
from es_rerank.jsonspan import decode
from es_rerank.model import IndexInfo, Mappings, Search
from es_rerank.net.content_encoding import read_limited
from es_rerank.net.identity import may_identify
from es_rerank.net.messages import OutgoingRequest
from es_rerank.search.fields.candidates import text_fields
from es_rerank.search.formats.endpoints import INDEX_OPTIONS
from es_rerank.search.query_text.terms import TEXT_KINDS

_TTL_SECONDS = 60.0
_MIN_AGE_SECONDS = 1.0
# An index without text fields is often one that no document has been written to yet.
_NO_TEXT_TTL_SECONDS = 1.0
# A failure is cached for the time of the failed request multiplied by this number, up to a limit. Otherwise, every
# search would wait again after a slow failure.
_FAILURE_TTL_FACTOR, _MAX_FAILURE_TTL_SECONDS = 10.0, 3.0
_TIMEOUT_SECONDS = 10.0
_MAX_INDICES = 100
# Metadata fields with the type of an ordinary field. The types of all other metadata fields begin with `_`.
_METADATA = frozenset({"_doc_count", "_tier", "_seq_no", "_primary_term", "_data_stream_timestamp", "_size"})


class _Resolved(NamedTuple):
    """A mapping, and the digest and the size in bytes of the response. The digest is None if the request failed.

    Equal responses have the same `IndexInfo`.
    """

    info: IndexInfo | None = None
    digest: bytes | None = None
    size: int = 0


class FieldCapsCache(Mappings):
    """A cache of resolved index expressions and points in time, with a bounded number of entries and bytes."""

    def __init__(
        self,
        engine: EngineClient,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        anonymous_headers: Iterable[str] = (),
    ) -> None:
        """Create an empty cache.

        Args:
            engine: The client that sends the requests.
            max_bytes: Maximum size of a response, in bytes. A larger response is a failure.
            clock: Returns values like those of `time.monotonic()`.
            anonymous_headers: Headers that do not identify a caller, in addition to `ANONYMOUS_HEADERS`.

        """
        self._engine = engine
        self._max_bytes = max_bytes
        self._clock = clock
        self._anonymous = tuple(anonymous_headers)
        self._entries = MappingCache()
        # The requests in flight, by cache key: their start time and task.
        self._in_flight: dict[bytes, tuple[float, asyncio.Task[IndexInfo | None]]] = {}

    def __repr__(self) -> str:
        """Show the number of entries and the number of requests in flight."""
        return f"FieldCapsCache(entries={len(self._entries)}, in_flight={len(self._in_flight)})"

    async def close(self) -> None:
        """Cancel the requests in flight."""
        tasks = [task for _, task in self._in_flight.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def resolve(
        self,
        search: Search,
        headers: CIMultiDict[str],
        max_wait: float = _TIMEOUT_SECONDS,
        *,
        use_service_credentials: bool = False,
    ) -> IndexInfo | None:
        """Resolve the index expression or point in time of a search.

        Concurrent searches of the same caller share one request, which continues if a search stops waiting for it.

        Args:
            search: The search.
            headers: The caller's headers for the engine. Those that may identify the caller are part of the cache key.
            max_wait: Maximum wait in seconds, counted from the start of the shared request.
            use_service_credentials: Whether es-rerank's own credentials are used instead of the caller's. The value is
                part of the cache key.

        Returns:
            Indices and field types; None if the engine does not return them in time.

        """
        options, pit = _options(search), _pit(search)
        key = self._key(search, headers, use_service_credentials=use_service_credentials)
        now = self._clock()
        is_cached, info = self._entries.get(key, now)
        if is_cached:
            return info
        if key not in self._in_flight:
            if max_wait <= 0:
                return None
            request = _read_request(headers, use_service_credentials)
            fetch = self._fetch_pit(pit, request) if pit else self._fetch(search.target, options, request)
            self._in_flight[key] = now, asyncio.create_task(self._cached(key, fetch))
        started, task = self._in_flight[key]
        done, _ = await asyncio.wait([task], timeout=started + max_wait - now)
        return task.result() if done else None

    def forget(self, info: IndexInfo) -> bool:
        """Remove an outdated result, so that the next search requests it again.

        Args:
            info: A result of `resolve`.

        Returns:
            Whether the result was removed. A very recent result is kept, because the engine would return the same.

        """
        return self._entries.remove_older(info, self._clock() + _TTL_SECONDS - _MIN_AGE_SECONDS)

    def learn_source(self, info: IndexInfo, *, has_source: bool) -> None:
        """Store whether the hits of indices have a `_source`; *info* is a result of `resolve`, or a copy of one."""
        self._entries.learn_source(info, has_source=has_source)

    def _key(self, search: Search, headers: CIMultiDict[str], *, use_service_credentials: bool) -> bytes:
        """Return the cache key of a search: the caller, the target and the options that change the result."""
        # A result depends on the caller. The status of the response also depends on the accepted media types.
        keyed = [name for name in headers if name.lower() == "accept" or may_identify(name, self._anonymous)]
        caller = [(name.lower(), headers.getall(name)) for name in dict.fromkeys(keyed)]
        parts = (search.target, _pit(search), _options(search), caller, use_service_credentials)
        return blake2b(repr(parts).encode(), digest_size=16).digest()

    async def _cached(self, key: bytes, fetch: Awaitable[_Resolved]) -> IndexInfo | None:
        """Await a result, cache it and return its mapping; None after a failure."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                found = await fetch
        except (UpstreamError, aiohttp.ClientError, LookupError, TypeError, ValueError, OSError):
            found = _Resolved()
        finally:
            started, _ = self._in_flight.pop(key)
        now = self._clock()
        self._entries.set(key, now + _ttl(found.info, now - started), found.digest, found.info, found.size)
        return found.info

    async def _fetch(self, target: str, options: Mapping[str, str], caller: OutgoingRequest) -> _Resolved:
        """Return the mapping of an index expression. *caller* is any read request with the caller's headers."""
        path = f"/{quote(target, safe='')}/_field_caps" if target else "/_field_caps"
        query = urlencode({"fields": "*", **options})
        body = await self._body(replace(caller, target=f"{path}?{query}"))
        if body is None:
            return _Resolved()
        digest = blake2b(body, digest_size=16).digest()
        info = self._entries.known(digest) or _read(body)
        return _Resolved(info, digest, len(body)) if info else _Resolved()

    async def _fetch_pit(self, pit: str, caller: OutgoingRequest) -> _Resolved:
        """Return the mapping of a point in time. A terms aggregation returns the names of its indices."""
        terms = {"terms": {"field": "_index", "size": _MAX_INDICES}}
        search = {"pit": {"id": pit}, "size": 0, "aggs": {"names": terms}}
        headers = CIMultiDict([*caller.headers.items(), ("Content-Type", "application/json")])
        body = await self._body(
            replace(caller, method="POST", target="/_search", headers=headers, body=msgspec.json.encode(search))
        )
        buckets = decode(body)["aggregations"]["names"]["buckets"] if body else []
        names = [bucket["key"] for bucket in buckets]
        return await self._fetch(",".join(names), {}, caller) if names else _Resolved()

    async def _body(self, request: OutgoingRequest) -> bytes | None:
        """Return the body of the response to a request; None if the status is not 200 or the body is too large."""
        async with self._engine.open(request) as answer:
            body, _ = await read_limited(answer.content.iter_any(), self._max_bytes)
            return body if answer.status == HTTPStatus.OK else None


def _read_request(headers: CIMultiDict[str], use_service_credentials: bool) -> OutgoingRequest:
    """Return a read request with the caller's headers. The caller of this function replaces its target, `/`."""
    return OutgoingRequest("GET", "/", headers, retryable=True, use_service_credentials=use_service_credentials)


def _ttl(info: IndexInfo | None, seconds: float) -> float:
    """Return how many seconds to cache the result of a request. The request itself took *seconds*."""
    if info is None:
        return min(_FAILURE_TTL_FACTOR * seconds, _MAX_FAILURE_TTL_SECONDS)
    return _TTL_SECONDS if text_fields(info) else _NO_TEXT_TTL_SECONDS


def _options(search: Search) -> dict[str, str]:
    """Return the URL parameters of a search that change how its index expression is resolved."""
    return {name: search.params[name] for name in sorted(INDEX_OPTIONS) if name in search.params}


def _pit(search: Search) -> str:
    """Return the id of a search's point in time; empty if the search has no point in time."""
    pit = search.body.values.get("pit")
    pit_id = pit.get("id") if isinstance(pit, dict) else None
    return pit_id if isinstance(pit_id, str) else ""


def _read(body: bytes) -> IndexInfo | None:
    """Return the mapping in a response `{"indices": [...], "fields": {name: {type: {...}}}}`; None without `fields`."""
    answer: Any = decode(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("fields"), dict):
        return None
    fields = {name: types for name, types in answer["fields"].items() if isinstance(types, dict)}
    names = answer.get("indices") or ()
    return IndexInfo(
        names=(names,) if isinstance(names, str) else tuple(names),
        field_types={name: _field_type(types) for name, types in fields.items() if not _is_metadata(name, types)},
    )


def _is_metadata(name: str, types: Mapping[str, Any]) -> bool:
    """Return whether a field is one of the engine's metadata fields; `_fulltext` may be a field of the mapping."""
    if not name.startswith("_"):
        return False
    flags = [one.get("metadata_field") for one in types.values() if isinstance(one, dict)]
    return name in _METADATA or any(flags) or any(kind.startswith("_") for kind in types)


def _field_type(types: Mapping[str, Any]) -> str:
    """Return a field's type. If it differs between indices, return a text type if there is one, otherwise the first."""
    return next((name for name in types if name in TEXT_KINDS), next(iter(types), ""))
