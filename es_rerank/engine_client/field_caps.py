"""What an index expression stands for: its concrete names and field kinds, from the engine's field capabilities.

`_field_caps` needs no more than the right to read, so the caller's own credentials do; aliases, wildcards and data
streams come back resolved. Answers are kept for a minute, each for the caller who got it; that there was none, for
some moments.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from multidict import CIMultiDict

from es_rerank.engine_client.client import EngineClient
from es_rerank.errors import UpstreamError
from es_rerank.model import IndexInfo, Search
from es_rerank.net.content_encoding import read_limited
from es_rerank.net.messages import OutgoingRequest
from es_rerank.search.formats.endpoints import INDEX_OPTIONS
from es_rerank.search.query_text.terms import TEXT_KINDS

_SECONDS = 60.0
# An engine that does not say which fields it has must not keep each search of an index waiting: it is asked again after
# so many times as long as it took to say nothing, and at the latest after so many seconds.
_FAULT_TIMES, _FAULT_SECONDS = 10.0, 3.0
_LIMIT_SECONDS = 10.0
_KEPT = 1000
_MOST_NAMES = 100
# What says nothing of who asks. Whatever else a caller sends may: a proxy's user, a role, a tenant, for whom it acts.
_OF_ANYBODY = frozenset(
    {
        "baggage",
        "cache-control",
        "date",
        "origin",
        "pragma",
        "referer",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-correlation-id",
        "x-elastic-client-meta",
        "x-opaque-id",
        "x-request-id",
    }
)
_OURS = "x-rerank-"


class FieldCapsCache:
    """A bounded memory of index expressions and points in time."""

    def __init__(self, upstream: EngineClient, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask *upstream*, whose answers are read if they have at most *most* bytes; *clock* gives seconds."""
        self._upstream = upstream
        self._most = most
        self._clock = clock
        # Until when an answer holds, and since when one is awaited.
        self._known: OrderedDict[bytes, tuple[float, IndexInfo | None]] = OrderedDict()
        self._asked: dict[bytes, tuple[float, asyncio.Task[IndexInfo | None]]] = {}

    async def close(self) -> None:
        """End what is being asked."""
        tasks = [task for _, task in self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def resolve(
        self, search: Search, headers: CIMultiDict[str], seconds: float = _LIMIT_SECONDS
    ) -> IndexInfo | None:
        """Resolve what a search names, as the caller of these headers; None if the engine does not say in *seconds*.

        What is being asked already, by another search of the same caller, is asked once: the seconds run from then
        on, and it goes on for the next search when this one waits no longer.
        """
        options = {name: search.params[name] for name in sorted(INDEX_OPTIONS) if name in search.params}
        pit = _pit(search)
        who = [(name.lower(), value) for name, value in headers.items() if not _anybodys(name.lower())]
        key = blake2b(repr((search.target, pit, options, who)).encode(), digest_size=16).digest()
        now = self._clock()
        until, info = self._known.get(key, (now, None))
        if now < until:
            return info
        if key not in self._asked:
            if seconds <= 0:
                return None
            ask = self._ask_pit(pit, headers) if pit else self._ask(search.target, options, headers)
            self._asked[key] = now, asyncio.create_task(self._remembered(key, ask))
        since, task = self._asked[key]
        done, _ = await asyncio.wait([task], timeout=since + seconds - now)
        return task.result() if done else None

    async def _remembered(self, key: bytes, ask: Awaitable[IndexInfo | None]) -> IndexInfo | None:
        """Wait for an answer and remember it; the oldest goes when there are too many. A fault is no answer."""
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                info = await ask
        except (UpstreamError, aiohttp.ClientError, LookupError, TypeError, ValueError, OSError, RecursionError):
            info = None
        finally:
            since, _ = self._asked.pop(key)
        now = self._clock()
        self._known[key] = (now + (_SECONDS if info else min(_FAULT_TIMES * (now - since), _FAULT_SECONDS)), info)
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return info

    async def _ask(self, target: str, options: Mapping[str, str], headers: CIMultiDict[str]) -> IndexInfo | None:
        """Ask for the fields of an index expression."""
        path = f"/{quote(target, safe='')}/_field_caps" if target else "/_field_caps"
        query = urlencode({"fields": "*", **options})
        body = await self._answer(OutgoingRequest("GET", f"{path}?{query}", headers, retryable=True))
        return None if body is None else _read(body)

    async def _ask_pit(self, pit: str, headers: CIMultiDict[str]) -> IndexInfo | None:
        """Ask for the indices a point in time looks at, by the names of those with documents; then for their fields."""
        search = {"pit": {"id": pit}, "size": 0, "aggs": {"names": {"terms": {"field": "_index", "size": _MOST_NAMES}}}}
        sent = CIMultiDict([*headers.items(), ("Content-Type", "application/json")])
        body = await self._answer(
            OutgoingRequest("POST", "/_search", sent, msgspec.json.encode(search), retryable=True)
        )
        names = [one["key"] for one in msgspec.json.decode(body)["aggregations"]["names"]["buckets"]] if body else []
        return await self._ask(",".join(names), {}, headers) if names else None

    async def _answer(self, request: OutgoingRequest) -> bytes | None:
        """Give the body of an answer; None for one that is no success, or too long."""
        async with self._upstream.open(request) as answer:
            body, _ = await read_limited(answer.content.iter_any(), self._most)
            return body if answer.status == HTTPStatus.OK else None


def _anybodys(name: str) -> bool:
    """Tell whether a header, in lower case, is the same to the engine whoever sends it."""
    return name in _OF_ANYBODY or name.startswith(_OURS)


def _pit(search: Search) -> str:
    """Give the id of the point in time that a search looks at; empty if there is none."""
    pit = search.body.get("pit")
    found = pit.get("id") if isinstance(pit, dict) else None
    return found if isinstance(found, str) else ""


def _read(body: bytes) -> IndexInfo | None:
    """Read `{"indices": [...], "fields": {name: {kind: {...}}}}`; a field that is text anywhere is text."""
    answer: Any = msgspec.json.decode(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("fields"), dict):
        return None
    found = {name: field_types for name, field_types in answer["fields"].items() if isinstance(field_types, dict)}
    names = answer.get("indices") or ()
    return IndexInfo(
        names=(names,) if isinstance(names, str) else tuple(names),
        field_types={name: _kind(field_types) for name, field_types in found.items() if not name.startswith("_")},
    )


def _kind(found: Mapping[str, Any]) -> str:
    """Choose one kind for a field."""
    return next((kind for kind in found if kind in TEXT_KINDS), next(iter(found), ""))
