"""elasticsearch-haystack: the document store and its BM25 retriever."""

from __future__ import annotations

from typing import Any

from elasticsearch import BadRequestError
from haystack.utils import Secret
from haystack_integrations.components.retrievers.elasticsearch import ElasticsearchBM25Retriever
from haystack_integrations.document_stores.elasticsearch import ElasticsearchDocumentStore
from haystack_steps import MAPPINGS, steps_with
from steps import Target, run


def connect(target: Target) -> ElasticsearchDocumentStore:
    access: dict[str, Any] = {"max_retries": 0}
    if target.api_key:
        access["api_key"] = Secret.from_token(target.api_key)
    elif target.username:
        access["basic_auth"] = (target.username, target.password)
    if target.ca and target.url.startswith("https"):
        access["ca_certs"] = target.ca
    return ElasticsearchDocumentStore(hosts=target.url, index=target.index, custom_mapping=MAPPINGS, **access)


def clear(store: ElasticsearchDocumentStore) -> object:
    return store.client.indices.delete(index=store._index)


if __name__ == "__main__":
    run(connect, steps_with(ElasticsearchBM25Retriever, clear, BadRequestError))
