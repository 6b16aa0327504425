"""The steps for Haystack's document stores, which have the same interface for both engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from steps import DOCUMENTS, Step, Target, refused

MAPPINGS = {"properties": {"content": {"type": "text"}, "tag": {"type": "keyword"}, "year": {"type": "integer"}}}
WATER = {"field": "meta.tag", "operator": "==", "value": "water"}
LATE = {"field": "meta.year", "operator": ">", "value": 1915}


def documents() -> list[Document]:
    return [
        Document(id=name, content=one["text"], meta={"tag": one["tag"], "year": one["year"]})
        for name, one in DOCUMENTS.items()
    ]


def write(store: Any, _: Target) -> object:
    return {"written": store.write_documents(documents(), refresh=True), "count": store.count_documents()}


def filtered(store: Any, _: Target) -> object:
    found = store.filter_documents({"operator": "AND", "conditions": [WATER, LATE]})
    return sorted(one.id for one in found)


def delete(store: Any, _: Target) -> object:
    store.delete_documents(["b07"], refresh=True)
    return store.count_documents()


def steps_with(
    retriever: Callable[..., Any], clear: Callable[[Any], object], bad_request: type[Exception]
) -> Mapping[str, Step]:
    """Return all steps, for a store's BM25 retriever and the exception of its client."""

    def search(store: Any, _: Target) -> object:
        found = retriever(document_store=store, top_k=5).run(query="river mill")["documents"]
        return {"ids": [one.id for one in found], "scores": [round(one.score, 4) for one in found]}

    def search_filtered(store: Any, _: Target) -> object:
        found = retriever(document_store=store, top_k=5).run(query="river", filters=WATER)["documents"]
        return [one.id for one in found]

    def errors(store: Any, _: Target) -> object:
        wrong = {"field": "meta.year", "operator": "==", "value": "no number"}
        found = {
            "duplicate": refused(
                lambda: store.write_documents(documents()[:1], DuplicatePolicy.FAIL), DuplicateDocumentError
            ),
            "wrong": refused(lambda: retriever(document_store=store).run(query="river", filters=wrong), bad_request),
        }
        clear(store)
        return found

    made: dict[str, Step] = {"write": write, "search": search, "search with filter": search_filtered}
    return made | {"filter documents": filtered, "delete": delete, "errors": errors}
