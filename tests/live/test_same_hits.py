"""Documents that are hard to tell apart: the page has the engine's hits and totals, each hit once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .test_any_body import normalized
from .test_carriers import took
from .wire import NDJSON, Answer, ask

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


def load(url: str, index: str, settings: Any, lines: list[tuple[dict[str, Any], dict[str, Any]]], **more: Any) -> None:
    """Create an index with these documents, each with its metadata, and *more* fields."""
    mappings = {"properties": {"title": {"type": "text"}, "n": {"type": "integer"}, **more}}
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


URL_NUMBERS = ("%2010", "%2B2", "2.0", "1e0", "", "%D9%A2", "02", "2%20", "1_0", "-1", "2147483648")
BODY_NUMBERS = (" 2", "2.7", "1e0", 2.7, True, "+2", "-0", None, [2], "٢", "0x2", "", "2f", "NaN", "1_0")


def outcome(answer: Answer) -> Any:
    """Return the hits of a response, or its error."""
    return normalized(answer.body) if answer.status == 200 else (answer.status, answer.body)


@pytest.mark.parametrize("name", ["from", "size"])
def test_numbers_are_read_as_the_engine_reads_them(name: str, both: tuple[str, Endpoint]) -> None:
    for text in URL_NUMBERS:
        target = f"/{ROUTED}/_search?{name}={text}"
        direct, through = (ask(base, "POST", target, {"query": HOSE}) for base in (both[0], both[1].url))
        assert outcome(through) == outcome(direct), text
    for value in BODY_NUMBERS:
        body = {"query": HOSE, name: value}
        direct, through = (ask(base, "POST", f"/{ROUTED}/_search", body) for base in (both[0], both[1].url))
        assert outcome(through) == outcome(direct), value
        lines = f"{{}}\n{json.dumps(body)}\n".encode()
        direct, through = (ask(base, "POST", f"/{ROUTED}/_msearch", lines, NDJSON) for base in (both[0], both[1].url))
        assert (through.status, took(through.body)) == (direct.status, took(direct.body)), value


VECTORS = "vectors"
NEAR: dict[str, Any] = {"field": "v", "query_vector": [0.1, 0.9], "num_candidates": 40}
KNN = {"knn": NEAR}
BY_SIZE: dict[str, dict[str, Any]] = {
    "query": {"query": {"bool": {"should": [KNN, HOSE]}}},
    "query_of_few": {"query": {"bool": {"should": [{"knn": {**NEAR, "num_candidates": 3}}, HOSE]}}},
    "filter": {"query": {"bool": {"must": [HOSE], "filter": [KNN]}}},
    "post_filter": {"query": HOSE, "post_filter": KNN},
    "aggregation": {"query": HOSE, "aggs": {"near": {"filter": KNN}}},
    "function": {"query": {"function_score": {"query": HOSE, "functions": [{"filter": KNN, "weight": 3}]}}},
    "rescorer": {"query": HOSE, "rescore": {"window_size": 5, "query": {"rescore_query": KNN}}},
    "member": {"query": HOSE, "knn": NEAR},
    "standard_retriever": {"retriever": {"standard": {"query": {"bool": {"should": [KNN, HOSE]}}}}},
    "with_k": {"query": {"bool": {"should": [{"knn": {**NEAR, "k": 4}}, HOSE]}}, "knn": {**NEAR, "k": 4}},
}
MORE: dict[str, dict[str, Any]] = {
    "plain": {},
    "filtered": {"_source": ["n"], "aggs": {"by_n": {"terms": {"field": "n"}}}},
    "marked": {"highlight": {"fields": {"title": {}}}, "aggs": {"by_n": {"terms": {"field": "n"}}}},
}


@pytest.fixture(scope="module")
def vectors(elasticsearch: Engine) -> Engine:
    lines = [
        ({"_id": str(n)}, {"title": ("hose " if n % 3 else "pipe ") + "long " * n, "n": n, "v": [n % 7, n % 5 + 1]})
        for n in range(90)
    ]
    load(elasticsearch.url, VECTORS, {"number_of_shards": 2}, lines, v={"type": "dense_vector", "dims": 2})
    return elasticsearch


@pytest.mark.parametrize("page", [(0, 4), (0, 45), (3, 4)], ids=str)
@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
@pytest.mark.parametrize("body", BY_SIZE.values(), ids=BY_SIZE)
def test_queries_whose_result_depends_on_size_have_the_engines_hits_totals_and_aggregations(
    body: dict[str, Any], more: dict[str, Any], page: tuple[int, int], vectors: Engine, serve: Serve
) -> None:
    sent = {**body, **more, "from": page[0], "size": page[1]}
    sent["aggs"] = {**more.get("aggs", {}), **body.get("aggs", {})}
    through = serve(vectors.url, *IDENTITY, *WINDOW, *KEEP)
    direct, reranked = (ask(base, "POST", f"/{VECTORS}/_search", sent) for base in (vectors.url, through.url))
    assert outcome(reranked) == outcome(direct)
    assert direct.status != 200 or "engine_error" not in reranked.outcome
    lines = f"{{}}\n{json.dumps(sent)}\n".encode()
    many = [ask(base, "POST", f"/{VECTORS}/_msearch", lines, NDJSON) for base in (vectors.url, through.url)]
    assert took(many[0].body) == took(many[1].body)
