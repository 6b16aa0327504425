"""opensearch-haystack: the document store and its BM25 retriever."""

from __future__ import annotations

from typing import Any

from haystack_integrations.components.retrievers.opensearch import OpenSearchBM25Retriever
from haystack_integrations.document_stores.opensearch import OpenSearchDocumentStore
from haystack_steps import MAPPINGS, steps_with
from opensearchpy import RequestError
from steps import SETTINGS, Target, run


def connect(target: Target) -> OpenSearchDocumentStore:
    access: dict[str, Any] = {"max_retries": 0, "http_auth": None}
    if target.api_key:
        access["headers"] = {"Authorization": f"ApiKey {target.api_key}"}
    elif target.username:
        access["http_auth"] = (target.username, target.password)
    if target.ca and target.url.startswith("https"):
        access["ca_certs"] = target.ca
    return OpenSearchDocumentStore(hosts=target.url, index=target.index, mappings=MAPPINGS, settings=SETTINGS, **access)


def clear(store: OpenSearchDocumentStore) -> object:
    return store._client.indices.delete(index=store._index)


if __name__ == "__main__":
    run(connect, steps_with(OpenSearchBM25Retriever, clear, RequestError))
