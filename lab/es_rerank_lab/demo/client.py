"""Loads and searches an engine, or the endpoint in front of it, through the engine's official client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import elasticsearch
import elasticsearch.helpers
import opensearchpy
import opensearchpy.helpers

from es_rerank.errors import EsRerankError
from es_rerank_lab.demo.corpus import Document

INDEX = "es-rerank-demo"

_SECONDS = 120
# Small builds of Elasticsearch have no page at `/` and refuse the method.
_NO_ROOT_PAGE = 405
_MAPPING = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0},
    "mappings": {
        "properties": {"lang": {"type": "keyword"}, "title": {"type": "text"}, "body": {"type": "text"}},
    },
}


@dataclass(frozen=True, slots=True)
class Access:
    """How an engine is reached: its kind, URL, and credentials where it asks for them."""

    kind: str
    url: str
    username: str | None = None
    password: str | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One hit."""

    id: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class _Library:
    """One official client: how it is opened, its bulk helper, and what it raises."""

    opened: Callable[[Access], Any]
    bulk: Callable[..., Any]
    error: tuple[type[Exception], ...]


class Client:
    """One connection. Raises EsRerankError with the engine's own words."""

    def __init__(self, access: Access) -> None:
        """Open the client that belongs to the engine."""
        self._library = LIBRARIES[access.kind]
        self._client = self._library.opened(access)

    def load(self, documents: Iterable[Document]) -> None:
        """Make the demo's index anew and fill it."""
        actions = [
            {"_index": INDEX, "_id": one.id, "lang": one.lang, "title": one.title, "body": one.body}
            for one in documents
        ]
        try:
            self._client.indices.delete(index=INDEX, ignore_unavailable=True)
            self._client.indices.create(index=INDEX, body=_MAPPING)
            self._library.bulk(self._client, actions, refresh=True)
        except self._library.error as error:
            raise EsRerankError(f"the engine did not take the demo's documents: {error}") from error

    def clear(self) -> None:
        """Delete the demo's index if it and the engine are still there."""
        with suppress(*self._library.error):
            self._client.indices.delete(index=INDEX, ignore_unavailable=True)

    def search(self, text: str, size: int = 10) -> Sequence[Found]:
        """Search as any client would: nothing in it speaks of reranking."""
        body = {"query": {"multi_match": {"query": text, "fields": ["title", "body"]}}, "size": size}
        try:
            answer: Mapping[str, Any] = self._client.search(index=INDEX, body=body)
        except self._library.error as error:
            raise EsRerankError(f"the search failed: {error}") from error
        return [Found(hit["_id"], hit["_source"]["title"], hit["_score"]) for hit in answer["hits"]["hits"]]


def identified(access: Access) -> Access:
    """Find out which engine answers. Raises EsRerankError if none does.

    OpenSearch's client asks no questions about the product, so it may ask both.
    """
    try:
        version = _opensearch(access).info()["version"]
    except opensearchpy.exceptions.TransportError as error:
        if error.status_code != _NO_ROOT_PAGE:
            raise EsRerankError(f"{access.url}: {error}") from error
        version = {}
    except opensearchpy.OpenSearchException as error:
        raise EsRerankError(f"{access.url} cannot be used: {error}") from error
    return replace(access, kind="opensearch" if version.get("distribution") == "opensearch" else "elasticsearch")


def _elasticsearch(access: Access) -> elasticsearch.Elasticsearch:
    """Open Elasticsearch's own client."""
    login = (access.username, access.password or "") if access.username else None
    trusted: dict[str, Any] = {"ca_certs": access.ca} if access.ca else {}
    return elasticsearch.Elasticsearch(access.url, basic_auth=login, request_timeout=_SECONDS, **trusted)


def _opensearch(access: Access) -> opensearchpy.OpenSearch:
    """Open OpenSearch's own client."""
    login = (access.username, access.password or "") if access.username else None
    return opensearchpy.OpenSearch(access.url, http_auth=login, ca_certs=access.ca, timeout=_SECONDS)


LIBRARIES: Mapping[str, _Library] = {
    "elasticsearch": _Library(
        _elasticsearch, elasticsearch.helpers.bulk, (elasticsearch.ApiError, elasticsearch.TransportError)
    ),
    "opensearch": _Library(_opensearch, opensearchpy.helpers.bulk, (opensearchpy.OpenSearchException,)),
}
