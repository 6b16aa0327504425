"""Determines whether the result of a search pipeline of OpenSearch depends on the requested page.

The definitions of pipelines and the default pipelines of indices are requested with the caller's own credentials, and
cached per caller for a minute.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import quote, urlencode

from multidict import CIMultiDict

from es_rerank.jsonspan import decode
from es_rerank.model import EngineReply, IndexInfo, PipelineEffect, Search
from es_rerank.net.identity import may_identify
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.formats.endpoints import INDEX_OPTIONS
from es_rerank.search.pipelines import DEFAULT_PIPELINE, NO_PIPELINE, chosen_pipeline, default_pipelines, effect_of

_TTL_SECONDS = 60.0
_MAX_ENTRIES = 1000

Found = TypeVar("Found")


class Caller(NamedTuple):
    """The caller of a search.

    `identity` has the headers that identify the caller to the engine. `ask` sends a request with the caller's
    credentials: it takes the request and an HTTP method, and returns the reply. It raises UpstreamError if the engine
    cannot be reached.
    """

    identity: Hashable
    ask: Callable[[EngineRequest, str], Awaitable[EngineReply]]


def identity(headers: CIMultiDict[str]) -> Hashable:
    """Return the request headers that may identify the caller to the engine."""
    return tuple((name.lower(), value) for name, value in headers.items() if may_identify(name))


class SearchPipelines:
    """A cache of default pipelines and of the effects of pipelines, with a bounded number of entries."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty cache. *clock* returns values like those of `time.monotonic()`."""
        self._clock = clock
        self._entries: OrderedDict[tuple[Hashable, str], tuple[float, Any]] = OrderedDict()

    def __repr__(self) -> str:
        """Show the number of entries."""
        return f"SearchPipelines(entries={len(self._entries)})"

    async def effect(self, search: Search, info: IndexInfo, caller: Caller, *, has_defaults: bool) -> PipelineEffect:
        """Return how the result of the pipelines of a search depends on the hits that are requested.

        Args:
            search: The search.
            info: The indices of the search.
            caller: The caller, whose credentials are used for the requests.
            has_defaults: Whether indices of this engine may have a default pipeline.

        Returns:
            The strongest effect of the pipelines; PAGE if the caller may not read the definition of a pipeline. If the
            caller may not read the settings of the indices, they are treated as indices without a default pipeline.

        """
        chosen = chosen_pipeline(search)
        if isinstance(chosen, Mapping):
            return effect_of(chosen)
        if chosen is None and not has_defaults:
            return PipelineEffect.NONE
        names = [chosen] if chosen is not None else await self._defaults(search, info, caller)
        effects = [await self._effect(name, caller) for name in names if name != NO_PIPELINE]
        return max(effects, default=PipelineEffect.NONE)

    async def _defaults(self, search: Search, info: IndexInfo, caller: Caller) -> frozenset[str]:
        """Return the names of the default pipelines of a search's indices; empty if the caller may not read them."""
        options = {name: search.params[name] for name in sorted(INDEX_OPTIONS) if name in search.params}
        target = search.target or (",".join(info.names) if "pit" in search.body.values else "")
        path = f"/{quote(target, safe='')}/_settings/{DEFAULT_PIPELINE}" if target else f"/_settings/{DEFAULT_PIPELINE}"
        request = EngineRequest(path, urlencode({"flat_settings": "true", **options}), b"")
        return await self._cached(caller, request, default_pipelines) or frozenset()

    async def _effect(self, name: str, caller: Caller) -> PipelineEffect:
        """Return the effect of the pipeline with this name; PAGE if its definition cannot be read."""

        def read(body: bytes) -> PipelineEffect:
            return effect_of(decode(body)[name])

        path = f"/_search/pipeline/{quote(name, safe='')}"
        found = await self._cached(caller, EngineRequest(path, "", b""), read)
        return PipelineEffect.PAGE if found is None else found

    async def _cached(self, caller: Caller, request: EngineRequest, read: Callable[[bytes], Found]) -> Found | None:
        """Return the cached result of a request. If the cache has no result, send the request and read the response.

        Returns:
            The result of *read*; None if the engine returned an error or if *read* failed.

        """
        key, now = (caller.identity, request.target), self._clock()
        expires, found = self._entries.get(key, (now, None))
        if now < expires:
            return cast("Found | None", found)
        reply = await caller.ask(request, "GET")
        try:
            new = None if reply.body is None else read(reply.body)
        except (LookupError, TypeError, ValueError):
            new = None
        self._entries[key] = (now + _TTL_SECONDS, new)
        self._entries.move_to_end(key)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)
        return new
