"""Documents that are hard to tell apart: the page has the engine's hits and totals, each hit once."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .test_any_body import normalized
from .test_carriers import took
from .wire import NDJSON, Answer, ask

pytestmark = pytest.mark.usefixtures("no_index_left")

ROUTED = "routed"
# The engines put each of these on a shard of its own.
ROUTINGS = ("d", "a", "b", "e")
SHARDS = 4
JSON = {"Content-Type": "application/json"}
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


HALVES = "halves"
# Elasticsearch also stores half a surrogate pair in the middle of a text, OpenSearch only at its end.
CUT = (rb"hose cut \ud83d", rb"hose \udc00 torn", rb"hose \\ud83d", rb"hose \ud83d\ude00")


@pytest.fixture(scope="module")
def halves(engine: Engine) -> Engine:
    """Documents with half a surrogate pair, in the text that the model reads and in other fields."""
    lines = [({"_id": str(n)}, {"title": "hose " + "long " * n, "n": n}) for n in range(1, 9)]
    load(engine.url, HALVES, {}, lines)
    for at, text in enumerate(CUT):
        body = b'{"title":"hose of a document","n":%d,"note":"%b"}' % (at, text)
        assert ask(engine.url, "PUT", f"/{HALVES}/_doc/note-{at}?refresh=true", body, JSON).status == 201
        body = b'{"title":"%b","n":%d}' % (text, at)
        ask(engine.url, "PUT", f"/{HALVES}/_doc/title-{at}?refresh=true", body, JSON)
    return engine


@pytest.mark.parametrize("more", [{}, *TWO_PHASES], ids=json.dumps)
def test_half_a_surrogate_pair_in_a_document_keeps_no_search_from_being_reranked(
    more: dict[str, Any], halves: Engine, serve: Serve
) -> None:
    through = serve(halves.url, *IDENTITY, *WINDOW, *KEEP)
    for query in (HOSE, {"bool": {"should": [HOSE, {"exists": {"field": "n"}}]}}):
        body = {"query": query, "size": 12, **more}
        direct, reranked = (ask(base, "POST", f"/{HALVES}/_search", body) for base in (halves.url, through.url))
        assert took(reranked.body) == took(direct.body)
        assert reranked.outcome.startswith("reranked")
    assert b"\\ud83d" in ask(through.url, "POST", f"/{HALVES}/_search", {"query": HOSE, "size": 30}).body


JSON_BODY = b'{"query":{"match":{"title":"hose"}},"size":3}'
ODD_BODIES = {
    "half_a_pair": b'{"query":{"match":{"title":"hose \\udc00 x"}},"size":3}',
    "byte_order_mark": b"\xef\xbb\xbf" + JSON_BODY,
    "utf_16": JSON_BODY.decode().encode("utf-16"),
    "comment": b"/* a search */" + JSON_BODY,
    "line_comments": JSON_BODY.replace(b',"size"', b', // of a page\n"size"') + b"// end",
    "no_comment": JSON_BODY.replace(b"hose", b"hose http://hose/*"),
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_a_body_that_only_the_engine_reads_as_json_is_reranked(body: bytes, both: tuple[str, Endpoint]) -> None:
    direct, through = (ask(base, "POST", f"/{ROUTED}/_search", body, JSON) for base in (both[0], both[1].url))
    assert (direct.status, took(through.body)) == (200, took(direct.body))
    assert through.outcome.startswith("reranked")
    if b"\n" in body or body.startswith(b"\xff"):
        return
    lines = b"{}\n%b\n" % body
    direct, through = (ask(base, "POST", f"/{ROUTED}/_msearch", lines, NDJSON) for base in (both[0], both[1].url))
    assert (direct.status, took(through.body)) == (200, took(direct.body))
    assert through.outcome.startswith("reranked")


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
TYPES = ("text/html", "text/*", BROWSER, "TEXT/HTML", "application/*", "*/*;q=0.1", "text/csv", "image/png", "foo", "")
OTHER_TYPES = ("application/yaml", "application/cbor", "text/html,application/yaml", "application/smile, text/html")


@pytest.mark.parametrize("accept", [*TYPES, *OTHER_TYPES])
def test_a_client_that_accepts_no_json_gets_what_the_engine_sends(accept: str, both: tuple[str, Endpoint]) -> None:
    body, header = {"query": HOSE, "size": 3}, {"Accept": accept}
    direct, through = (ask(base, "POST", f"/{ROUTED}/_search", body, header) for base in (both[0], both[1].url))
    same = through.header("content-type") == direct.header("content-type")
    assert (through.status, same) == (direct.status, True)
    if direct.status == 200 and accept in TYPES:
        assert took(through.body) == took(direct.body)
        assert through.outcome.startswith("reranked")


SORTS: list[Any] = [
    {"_score": "DESC"},
    [{"_score": {"order": "Desc"}}],
    {"_score": "desc", "n": "asc"},
    ["_score", {"n": "ASC"}],
]


@pytest.mark.parametrize("sort", [*SORTS, "_score:DESC", "_score:desc,n:asc", "_score,n", "_score:"], ids=str)
def test_a_sort_by_relevance_in_any_spelling_is_reranked(sort: Any, both: tuple[str, Endpoint]) -> None:
    target = f"/{ROUTED}/_search" + (f"?sort={sort}" if isinstance(sort, str) else "")
    body = {"query": HOSE, "size": 5} | ({} if isinstance(sort, str) else {"sort": sort})
    direct, through = (ask(base, "POST", target, body) for base in (both[0], both[1].url))
    assert (direct.status, through.outcome.partition(";")[0]) == (200, "reranked")
    assert took(through.body) == took(direct.body)


@pytest.mark.parametrize("sort", [" _score", "_score :desc", "_SCORE", "_score:asc", "n,_score"])
def test_any_other_sort_is_left_to_the_engine(sort: str, both: tuple[str, Endpoint]) -> None:
    target = f"/{ROUTED}/_search?sort={quote(sort)}"
    direct, through = (ask(base, "POST", target, {"query": HOSE, "size": 5}) for base in (both[0], both[1].url))
    assert outcome(through) == outcome(direct)
    assert through.outcome == "skipped; why=sort"


WHOLE: list[dict[str, Any]] = [
    {"_source": value} for value in (True, "*", ["*"], [], {}, {"excludes": []}, {"includes": ["*"]})
]


@pytest.mark.parametrize("more", [*WHOLE, *({**one, "stored_fields": ["n"]} for one in WHOLE)], ids=json.dumps)
def test_a_source_filter_that_removes_nothing_needs_one_request(
    more: dict[str, Any], both: tuple[str, Endpoint], engine: Engine
) -> None:
    def queries() -> int:
        found = ask(engine.url, "GET", f"/{ROUTED}/_stats/search?filter_path=_all.total.search.query_total")
        return int(found.json["_all"]["total"]["search"]["query_total"])

    body = {"query": HOSE, "size": 5, **more}
    before = queries()
    direct = ask(both[0], "POST", f"/{ROUTED}/_search", body)
    between = queries()
    through = ask(both[1].url, "POST", f"/{ROUTED}/_search", body)
    assert took(through.body) == took(direct.body)
    assert through.outcome.startswith("reranked; window=30")
    assert queries() - between == between - before


@pytest.mark.parametrize("words", ["zeppelin", "only"])
@pytest.mark.parametrize("more", TWO_PHASES, ids=json.dumps)
def test_a_search_with_one_hit_or_none_has_the_engines_response(
    more: dict[str, Any], words: str, both: tuple[str, Endpoint]
) -> None:
    document = {"title": "the only one", "n": 1}
    assert ask(both[0], "PUT", f"/{ROUTED}/_doc/only?refresh=true", document).status in {200, 201}
    body = {"query": {"match": {"title": words}}, "size": 5, **more}
    direct, through = (ask(base, "POST", f"/{ROUTED}/_search", body) for base in (both[0], both[1].url))
    assert took(through.body) == took(direct.body)
    assert through.outcome == "skipped; why=few_hits"


def test_a_window_above_the_limit_of_an_index_is_refused_once(engine: Engine, serve: Serve) -> None:
    lines = [({"_id": str(n)}, {"title": "hose " + "long " * n, "n": n}) for n in range(40)]
    load(engine.url, "limited", {"index.max_result_window": 20}, lines)
    load(engine.url, "unlimited", {}, lines)
    through = serve(engine.url, *IDENTITY, *WINDOW, *KEEP)
    text = f'{{"index":"limited"}}\n{json.dumps({"query": HOSE})}\n'.encode()
    for target in ("/limited/_search", "/limited,unlimited/_search"):
        outcomes = []
        for _ in range(2):
            direct, reranked = (ask(base, "POST", target, {"query": HOSE}) for base in (engine.url, through.url))
            assert outcome(reranked) == outcome(direct)
            outcomes.append(reranked.outcome.partition("; c")[0])
        assert outcomes == ["skipped; why=engine_error", "reranked; window=20"]
    direct, many = (ask(base, "POST", "/_msearch", text, NDJSON) for base in (engine.url, through.url))
    assert took(many.body) == took(direct.body)
    assert many.outcome.startswith("reranked; window=20")
