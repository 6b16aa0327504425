"""What an index expression stands for: its concrete names and field kinds, from the engine's field capabilities.

`_field_caps` needs no more than the right to read, so the caller's own credentials do; aliases, wildcards and data
streams come back resolved. Answers are kept for a minute, each for the caller who got it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from es_rerank.errors import UpstreamError
from es_rerank.model import IndexInfo, Search
from es_rerank.search.query import TEXT_KINDS
from es_rerank.upstream import Request, Upstream

_SECONDS = 60.0
_KEPT = 1000
_INDEX_OPTIONS = ("ignore_unavailable", "allow_no_indices", "expand_wildcards")
_CREDENTIALS = ("Authorization", "es-secondary-authorization", "Cookie")


class Indices:
    """A bounded memory of index expressions."""

    def __init__(self, upstream: Upstream, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask *upstream*; *clock* gives seconds."""
        self._upstream = upstream
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, IndexInfo]] = OrderedDict()

    async def about(self, search: Search, headers: Mapping[str, str]) -> IndexInfo | None:
        """Resolve what a search names, with the caller's credentials; None if the engine does not say."""
        options = {name: search.params[name] for name in _INDEX_OPTIONS if name in search.params}
        who = [headers.get(name, "") for name in _CREDENTIALS]
        key = blake2b(repr((search.target, options, who)).encode(), digest_size=16).digest()
        kept = self._known.get(key)
        if kept and self._clock() - kept[0] < _SECONDS:
            return kept[1]
        info = await self._ask(search.target, options, headers)
        if info:
            self._keep(key, info)
        return info

    def _keep(self, key: bytes, info: IndexInfo) -> None:
        """Remember an answer; the oldest goes when there are too many."""
        self._known[key] = (self._clock(), info)
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    async def _ask(self, target: str, options: Mapping[str, str], headers: Mapping[str, str]) -> IndexInfo | None:
        """Ask the engine."""
        path = f"/{quote(target, safe='')}/_field_caps" if target else "/_field_caps"
        query = urlencode({"fields": "*", **options})
        sent = {name: headers[name] for name in (*_CREDENTIALS, "X-Opaque-Id") if name in headers}
        try:
            async with self._upstream.open(Request("GET", f"{path}?{query}", sent, again=True)) as answer:
                body = await answer.read()
                return _read(body) if answer.status == HTTPStatus.OK else None
        except (UpstreamError, aiohttp.ClientError, ValueError, OSError):
            return None


def _read(body: bytes) -> IndexInfo | None:
    """Read `{"indices": [...], "fields": {name: {kind: {...}}}}`; a field that is text anywhere is text."""
    answer: Any = msgspec.json.decode(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("fields"), dict):
        return None
    found = {name: kinds for name, kinds in answer["fields"].items() if isinstance(kinds, dict)}
    names = answer.get("indices") or ()
    return IndexInfo(
        names=(names,) if isinstance(names, str) else tuple(names),
        kinds={name: _kind(kinds) for name, kinds in found.items() if not name.startswith("_")},
    )


def _kind(found: Mapping[str, Any]) -> str:
    """Choose one kind for a field."""
    return next((kind for kind in found if kind in TEXT_KINDS), next(iter(found), ""))
