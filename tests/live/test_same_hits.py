"""Documents that are hard to tell apart: the page has the engine's hits and totals, each hit once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .test_any_body import normalized
from .wire import NDJSON, ask

ROUTED = "routed"
# The engines put each of these on a shard of its own.
ROUTINGS = ("d", "a", "b", "e")
SHARDS = 4
WINDOW = ("--window", "30")
KEEP = ("--policy", "keep")
HOSE = {"match": {"title": "hose"}}
# They are fetched in two phases.
TWO_PHASES: list[dict[str, Any]] = [
    {"_source": ["title"]},
    {"_source": False},
    {"highlight": {"fields": {"title": {}}}},
    {"stored_fields": []},
    {"_source": ["n"], "aggs": {"by_n": {"terms": {"field": "n"}}}},
]


def load(url: str, index: str, settings: dict[str, Any], lines: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Create an index with these documents, each with its metadata."""
    mappings = {"properties": {"title": {"type": "text"}, "n": {"type": "integer"}}}
    ask(url, "DELETE", f"/{index}")
    made = ask(url, "PUT", f"/{index}", {"settings": {"number_of_replicas": 0, **settings}, "mappings": mappings})
    assert made.status == 200, made
    text = "".join(f"{json.dumps({'index': meta})}\n{json.dumps(source)}\n" for meta, source in lines)
    loaded = ask(url, "POST", f"/{index}/_bulk?refresh=true", text.encode(), NDJSON)
    assert loaded.json["errors"] is False, loaded


@pytest.fixture(scope="module")
def routed(engine: Engine) -> Engine:
    """Four shards with 48 documents, each with one of 12 ids; those with an even id have no routing on one shard."""
    lines: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"_id": str(n), **routing}, {"title": f"hose {routing} " + "long " * n, "n": n})
        for n in range(1, 13)
        for routing in [*({"routing": routing} for routing in ROUTINGS), *([] if n % 2 else [{}])]
    ]
    load(engine.url, ROUTED, {"number_of_shards": SHARDS}, lines)
    hits = ask(engine.url, "POST", f"/{ROUTED}/_search", {"query": HOSE, "size": 100}).hits
    assert [len(hits), len({hit["_id"] for hit in hits}), sum("_routing" not in hit for hit in hits)] == [48, 12, 6]
    return engine


@pytest.fixture
def both(routed: Engine, serve: Serve) -> tuple[str, Endpoint]:
    return routed.url, serve(routed.url, *IDENTITY, *WINDOW, *KEEP)


@pytest.mark.parametrize("size", [1, 12, 20, 48])
@pytest.mark.parametrize("more", TWO_PHASES, ids=json.dumps)
def test_documents_with_one_id_and_several_routings_are_different_hits(
    more: dict[str, Any], size: int, both: tuple[str, Endpoint]
) -> None:
    body = {"query": HOSE, "size": size, **more}
    direct, through = (ask(base, "POST", f"/{ROUTED}/_search", body) for base in (both[0], both[1].url))
    assert normalized(through.body) == normalized(direct.body)
    assert through.outcome.startswith("reranked")


NAMED = {
    "retriever": {"text_similarity_reranker": {"retriever": {"standard": {"query": HOSE}}, "inference_text": "hose"}}
}
EXTENSION = {"query": HOSE, "ext": {"rerank": {"query_context": {"query_text": "hose"}}}}


@pytest.mark.parametrize("named", [NAMED, EXTENSION], ids=["retriever", "extension"])
def test_a_search_that_names_a_reranker_is_accepted_if_it_is_not_reranked(
    named: dict[str, Any], both: tuple[str, Endpoint]
) -> None:
    plain = {"query": HOSE, "size": 0}
    direct, through = (
        ask(base, "POST", f"/{ROUTED}/_search", body)
        for base, body in ((both[0], plain), (both[1].url, {**named, "size": 0}))
    )
    assert ask(both[0], "POST", f"/{ROUTED}/_search", named).status == 400
    assert normalized(through.body) == normalized(direct.body)
    text = "".join(f"{{}}\n{json.dumps(one)}\n" for one in ({**named, "size": 0}, {"query": HOSE}, named)).encode()
    many = both[1].ask("POST", f"/{ROUTED}/_msearch", text, NDJSON)
    assert [one["status"] for one in many.json["responses"]] == [200] * 3
    assert many.outcome.split(", ")[0] == "skipped; why=size_zero"
