"""Indexes and searches with the engine's official client, directly or through es-rerank."""

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

_TIMEOUT_SECONDS = 120
# The integration test builds of Elasticsearch have no root endpoint.
_NO_ROOT_STATUS = 405
_MAPPING = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0},
    "mappings": {
        "properties": {"lang": {"type": "keyword"}, "title": {"type": "text"}, "body": {"type": "text"}},
    },
}


@dataclass(frozen=True, slots=True)
class Access:
    """The kind of an engine (`elasticsearch` or `opensearch`), its URL, credentials, and CA certificate."""

    kind: str
    url: str
    username: str | None = None
    password: str | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One search hit."""

    id: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class _Library:
    """One official client library: its function that creates a client, its bulk helper, and its exceptions."""

    create: Callable[[Access], Any]
    bulk: Callable[..., Any]
    error: tuple[type[Exception], ...]


class Client:
    """A connection to an engine. Methods raise EsRerankError, with the engine's message, if a request fails."""

    def __init__(self, access: Access) -> None:
        """Create the engine's official client."""
        self._library = LIBRARIES[access.kind]
        self._client = self._library.create(access)

    def load(self, documents: Iterable[Document]) -> None:
        """Create the demo index, replacing an existing one, and index *documents*."""
        actions = [
            {"_index": INDEX, "_id": each.id, "lang": each.lang, "title": each.title, "body": each.body}
            for each in documents
        ]
        try:
            self._client.indices.delete(index=INDEX, ignore_unavailable=True)
            self._client.indices.create(index=INDEX, body=_MAPPING)
            self._library.bulk(self._client, actions, refresh=True)
        except self._library.error as error:
            raise EsRerankError(f"indexing the documents of the demo failed: {error}") from error

    def clear(self) -> None:
        """Delete the demo index. Errors are ignored, because the engine may have stopped already."""
        with suppress(*self._library.error):
            self._client.indices.delete(index=INDEX, ignore_unavailable=True)

    def search(self, text: str, size: int = 10) -> Sequence[Hit]:
        """Search title and body. The request is the same with and without es-rerank."""
        body = {"query": {"multi_match": {"query": text, "fields": ["title", "body"]}}, "size": size}
        try:
            response: Mapping[str, Any] = self._client.search(index=INDEX, body=body)
        except self._library.error as error:
            raise EsRerankError(f"the search failed: {error}") from error
        return [Hit(hit["_id"], hit["_source"]["title"], hit["_score"]) for hit in response["hits"]["hits"]]


def identified(access: Access) -> Access:
    """Return *access* with the kind of the engine at its URL. Raises EsRerankError if the engine does not respond.

    The OpenSearch client is used for both engines, because it does not check the product.
    """
    try:
        version = _opensearch(access).info()["version"]
    except opensearchpy.exceptions.ConnectionError as error:
        reason = str(error.info).rpartition(": ")[2].rstrip("')")
        hint = "check --engine-url and, if its certificate is not trusted, set --engine-ca"
        raise EsRerankError(f"{access.url} cannot be reached: {reason}; {hint}") from error
    except opensearchpy.exceptions.TransportError as error:
        if error.status_code != _NO_ROOT_STATUS:
            raise EsRerankError(f"{access.url}: {error}") from error
        version = {}
    except opensearchpy.OpenSearchException as error:
        raise EsRerankError(f"{access.url} is not usable: {error}") from error
    return replace(access, kind="opensearch" if version.get("distribution") == "opensearch" else "elasticsearch")


def _elasticsearch(access: Access) -> elasticsearch.Elasticsearch:
    """Create the Elasticsearch client."""
    login = (access.username, access.password or "") if access.username else None
    trusted: dict[str, Any] = {"ca_certs": access.ca} if access.ca else {}
    return elasticsearch.Elasticsearch(access.url, basic_auth=login, request_timeout=_TIMEOUT_SECONDS, **trusted)


def _opensearch(access: Access) -> opensearchpy.OpenSearch:
    """Create the OpenSearch client."""
    login = (access.username, access.password or "") if access.username else None
    return opensearchpy.OpenSearch(access.url, http_auth=login, ca_certs=access.ca, timeout=_TIMEOUT_SECONDS)


LIBRARIES: Mapping[str, _Library] = {
    "elasticsearch": _Library(
        _elasticsearch, elasticsearch.helpers.bulk, (elasticsearch.ApiError, elasticsearch.TransportError)
    ),
    "opensearch": _Library(_opensearch, opensearchpy.helpers.bulk, (opensearchpy.OpenSearchException,)),
}
