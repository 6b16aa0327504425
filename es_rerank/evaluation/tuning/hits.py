"""Gets the hits of each query from the engine, with the complete `_source`: the compared rules can read any field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict

from es_rerank.config.settings import Settings
from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.field_caps import FieldCapsCache
from es_rerank.errors import EsRerankError, UpstreamError
from es_rerank.evaluation.client import title
from es_rerank.evaluation.values import FoundHit
from es_rerank.model import IndexInfo, Search, Skip
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import read_limited
from es_rerank.net.messages import OutgoingRequest
from es_rerank.search.formats.decode import decode
from es_rerank.search.formats.endpoints import EndpointRequest, ParsedSearch
from es_rerank.search.response.hits import Hit, NotASearchResponseError, keys, read, sources

# Parts of a search that take time but do not affect its hits. They are removed from the search.
_COSTLY_PARTS = ("aggs", "aggregations", "highlight", "suggest", "explain", "profile")


@dataclass(frozen=True, slots=True)
class EngineHits:
    """The hits of one query, in the engine's order.

    Attributes:
        raw: The hits as bytes of the engine's response.
        shown: The id and the title of each hit, for reports.
        scores: The engine's score of each hit.

    """

    raw: tuple[Hit, ...]
    shown: tuple[FoundHit, ...]
    scores: tuple[float, ...]


class EngineSource:
    """Searches one index of the engine that the settings name.

    Requests have the caller's headers, such as `Authorization`. If there are no headers, es-rerank's own credentials
    are used.
    """

    def __init__(self, settings: Settings, index: str, headers: Mapping[str, str]) -> None:
        """Prepare to search *index*. Raises ConfigError if a file that the settings name cannot be used."""
        self.index = index
        self._limit = settings.max_answer
        self._headers = CIMultiDict(headers)
        self._own = not headers
        self._client = EngineClient(settings)
        self._indices = FieldCapsCache(self._client, settings.max_answer, anonymous_headers=settings.anonymous_headers)

    async def __aenter__(self) -> Self:
        """Return this object. Leaving the context closes its connections."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close all connections."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._client.close)
            stack.push_async_callback(self._indices.close)

    def planned(self, body: Mapping[str, Any]) -> Search | Skip:
        """Return the decoded search, or the reason why the endpoint would not rerank it. Uses the endpoint's code.

        Raises:
            EsRerankError: If the body has reranking options of its own, which would override those of every rule.

        """
        request = EndpointRequest(self.index, headers=self._headers)
        search = decode(request, ParsedSearch(self.index, {}, json.dumps(body).encode()))
        if isinstance(search, Search) and search.rerank_request:
            raise EsRerankError("the template names a reranker, or a query text for one: remove it")
        return search

    async def info(self, search: Search) -> IndexInfo:
        """Return the indices of a search and their fields. Raises EsRerankError if the engine does not return them."""
        found = await self._indices.resolve(search, self._headers, use_service_credentials=self._own)
        if found is None:
            raise EsRerankError(f"{self.index}: the engine does not return the fields of this index: check the name")
        return found

    async def hits(self, body: Mapping[str, Any], size: int) -> EngineHits:
        """Return the first *size* hits of a search with their complete source.

        Raises:
            EsRerankError: If there is no response, or it is not a complete search response with scores.

        """
        wanted = {name: value for name, value in body.items() if name not in _COSTLY_PARTS}
        content = await self._answer({**wanted, "from": 0, "size": size, "_source": True})
        try:
            found = read(content).hits
        except NotASearchResponseError:
            raise EsRerankError(f"{self.index}: the response is not a search response") from None
        scores = tuple(hit.score for hit in found if hit.score is not None)
        if len(scores) < len(found):
            raise EsRerankError(f"{self.index}: hits without a score cannot be reranked: check the search template")
        rows = zip(keys(found), sources(found), strict=True)
        return EngineHits(found, tuple(FoundHit(key.id, title(source)) for key, (source, _) in rows), scores)

    async def _answer(self, body: Mapping[str, Any]) -> bytes:
        """Send a search, and return the body of the response."""
        target = f"/{quote(self.index, safe=',*:<>-_.')}/_search"
        headers = CIMultiDict([*self._headers.items(), ("Content-Type", "application/json")])
        request = OutgoingRequest(
            "POST", target, headers, json.dumps(body).encode(), retryable=True, use_service_credentials=self._own
        )
        try:
            async with self._client.open(request) as response:
                content, start = await read_limited(response.content.iter_any(), self._limit)
        except (UpstreamError, aiohttp.ClientError) as error:
            raise EsRerankError(f"{target}: no response: {describe_error(error)}") from error
        if response.status != HTTPStatus.OK:
            raise EsRerankError(f"{target}: status {response.status}: {_reason(b''.join(start))}")
        if content is None:
            raise EsRerankError(f"{target}: the response is larger than max_answer: choose smaller windows")
        return content


def _reason(content: bytes) -> str:
    """Return the reason in an engine's error response. For any other response body, return its start."""
    try:
        return str(json.loads(content)["error"]["root_cause"][0]["reason"])
    except (ValueError, KeyError, TypeError, IndexError):
        return content[:200].decode("utf-8", "replace")
