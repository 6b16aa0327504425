"""langchain-elasticsearch: the BM25 store, and the retriever with a custom query."""

from __future__ import annotations

from typing import Any

from elasticsearch import NotFoundError
from langchain_core.documents import Document
from langchain_elasticsearch import BM25Strategy, ElasticsearchRetriever, ElasticsearchStore
from steps import DOCUMENTS, RIVER, Target, refused, run

WATER = [{"term": {"metadata.tag.keyword": "water"}}]


def connect(target: Target) -> ElasticsearchStore:
    return store(target, target.index)


def store(target: Target, index: str) -> ElasticsearchStore:
    return ElasticsearchStore(index, es_url=target.url, strategy=BM25Strategy(), **access(target))


def access(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = {"es_params": {"max_retries": 0}}
    if target.ca and target.url.startswith("https"):
        found["es_params"]["ca_certs"] = target.ca
    if target.api_key:
        return found | {"es_api_key": target.api_key}
    return found | {"es_user": target.username or None, "es_password": target.password or None}


def read(documents: list[Document]) -> list[list[object]]:
    """Summarize the documents that a search returns to a chain."""
    return [[one.page_content, one.metadata["tag"]] for one in documents]


def write(found: ElasticsearchStore, target: Target) -> object:
    found.client.options(ignore_status=404).indices.delete(index=target.index)
    metadatas = [{"tag": one["tag"], "year": one["year"]} for one in DOCUMENTS.values()]
    return found.add_texts([one["text"] for one in DOCUMENTS.values()], metadatas, list(DOCUMENTS))


def search(found: ElasticsearchStore, _: Target) -> object:
    return read(found.similarity_search("river", k=5))


def scored(found: ElasticsearchStore, _: Target) -> object:
    pairs = found.similarity_search_with_score("river mill", k=5)
    return {"read": read([one for one, _ in pairs]), "scores": [round(score, 4) for _, score in pairs]}


def filtered(found: ElasticsearchStore, _: Target) -> object:
    return read(found.similarity_search("river", k=5, filter=WATER))


def retriever(found: ElasticsearchStore, target: Target) -> object:
    own = ElasticsearchRetriever(
        index_name=target.index,
        body_func=lambda words: {"query": {"match": {"text": words}}, "size": 4},
        content_field="text",
        client=found.client,
    )
    return [[one.page_content, one.metadata["_id"]] for one in own.invoke("mill")]


def delete(found: ElasticsearchStore, _: Target) -> object:
    gone = found.delete(["b07"])
    return {"gone": gone, "left": read(found.similarity_search("river", k=9))}


def errors(found: ElasticsearchStore, target: Target) -> object:
    absent = store(target, f"{target.index}-absent")
    rejection = refused(lambda: absent.similarity_search("river"), NotFoundError)
    found.client.indices.delete(index=target.index)
    return {
        "absent": rejection,
        "after": refused(lambda: found.client.search(index=target.index, query=RIVER), NotFoundError),
    }


STEPS = {
    "write": write,
    "search": search,
    "search with scores": scored,
    "search with filter": filtered,
    "retriever": retriever,
    "delete": delete,
    "errors": errors,
}

if __name__ == "__main__":
    run(connect, STEPS)
