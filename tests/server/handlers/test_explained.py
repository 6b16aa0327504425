from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from es_rerank.model import FetchPhase, FetchSpec, Outcome, OutcomeState, Plan, Rule
from es_rerank.model.call import EngineReply
from es_rerank.pipeline import RankedWindow
from es_rerank.rerank_client.reading import DocumentRead, PassageRead
from es_rerank.search.response.hits import read
from es_rerank.server.handlers.explained import explained, wants_explanation
from es_rerank.testing import FakeResponse, ReceivedRequest, search_response
from tests.rerank_client.embedding import COSINES, embedding, probability

from .engine import BEST, HITS, HOSE, found, page_ids, running

EXPLAIN = [("X-Rerank-Explain", "true")]


def sources(response: Any) -> list[dict[str, Any]]:
    return [hit["_source"] for hit in response["hits"]["hits"]]


async def test_each_hit_has_its_rank_and_score_of_the_engine_and_its_best_passage() -> None:
    async with running() as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search", HOSE, EXPLAIN)
    assert got.ids == BEST
    shown = {hit["_id"]: hit["fields"] for hit in got.json["hits"]["hits"]}
    for rank, (key, score, text) in enumerate(HITS, 1):
        assert 0 <= shown[key].pop("es_rerank.probability")[0] <= 1
        assert shown[key] == {
            "es_rerank.engine_rank": [rank],
            "es_rerank.engine_score": [score],
            "es_rerank.passage": [text],
            "es_rerank.passage_start": [0],
            "es_rerank.passage_end": [len(text)],
        }


@pytest.mark.parametrize(
    "body", [HOSE, {**HOSE, "size": 1, "highlight": {"fields": {"body": {}}}}, {**HOSE, "size": 0}]
)
@pytest.mark.parametrize("headers", [[], [("X-Rerank-Explain", "false")]])
async def test_without_the_header_the_response_is_unchanged(body: Any, headers: Any) -> None:
    async with running() as (proxy, _, _):
        plain = await proxy.send("POST", "/docs/_search", body, headers)
        with_header = await proxy.send("POST", "/docs/_search", body, EXPLAIN)
    assert b"es_rerank." not in plain.body
    without = with_header.json
    for hit in without["hits"]["hits"]:
        hit.pop("fields", None)
    assert without == plain.json


async def test_the_page_of_a_search_in_two_phases_is_explained() -> None:
    body = {**HOSE, "size": 1, "highlight": {"fields": {"body": {}}}}
    async with running() as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_search", body, EXPLAIN)
    assert page_ids(engine.seen[-1].json) == ["3"]
    assert got.json["hits"]["hits"][0]["fields"]["es_rerank.engine_rank"] == [3]


async def test_after_a_failure_the_engines_ranks_are_shown_without_a_passage() -> None:
    async with running(model=FakeResponse(b"", status=500)) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search", HOSE, EXPLAIN)
    assert [hit["fields"] for hit in got.json["hits"]["hits"]][:1] == [
        {"es_rerank.engine_rank": [1], "es_rerank.engine_score": [9.0]}
    ]


async def test_the_best_passage_of_a_model_with_vectors_is_shown() -> None:
    async with running(model=embedding(COSINES), profile="e5", policy="replace") as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search", HOSE, EXPLAIN)
    first = got.json["hits"]["hits"][0]
    assert (first["_id"], first["fields"]["es_rerank.passage"]) == ("3", ["mend a hose"])
    assert first["fields"]["es_rerank.probability"] == [pytest.approx(probability(COSINES["mend"]), abs=1e-3)]


async def test_filter_path_applies_to_the_explanation() -> None:
    async with running() as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search?filter_path=hits.hits.fields.es_rerank*rank", HOSE, EXPLAIN)
    assert got.status == 200
    assert b"passage" not in got.body


async def test_a_template_does_not_show_texts() -> None:
    async with running() as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search/template", {"id": "t", "params": {"q": "mend it"}}, EXPLAIN)
    names = {name for hit in got.json["hits"]["hits"] for name in hit["fields"]}
    assert "es_rerank.engine_rank" in names
    assert "es_rerank.passage" not in names


async def test_fields_of_the_client_stay_as_they_are() -> None:
    def with_fields(seen: ReceivedRequest) -> FakeResponse:
        response = json.loads(found(json.loads(seen.body or b"{}"), seen.target))
        for hit in response["hits"]["hits"]:
            hit["fields"] = {"year": [1999]}
        return FakeResponse(json.dumps(response, indent=2).encode())

    async with running({"/docs/_search": with_fields}) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_search", {**HOSE, "fields": ["year"]}, EXPLAIN)
    fields = got.json["hits"]["hits"][0]["fields"]
    assert (fields["year"], fields["es_rerank.engine_rank"]) == ([1999], [3])


def lines(*bodies: Any) -> bytes:
    return b"".join(b'{"index":"docs"}\n' + json.dumps(body).encode() + b"\n" for body in bodies)


def without_explanations(response: Any) -> Any:
    for one in response["responses"]:
        for hit in one["hits"]["hits"]:
            hit.pop("fields", None)
    return response


async def test_each_search_of_many_is_explained_with_its_own_passages() -> None:
    marked = {**HOSE, "size": 1, "highlight": {"fields": {"body": {}}}}
    paged = {"query": {"match": {"body": "mend"}}, "from": 1, "size": 2}
    body = lines(HOSE, {**HOSE, "sort": "date"}, marked, paged)
    async with running() as (proxy, _, _):
        plain = await proxy.send("POST", "/_msearch", body)
        got = await proxy.send("POST", "/_msearch", body, EXPLAIN)
    whole, skipped, fetched, page = got.json["responses"]
    texts = {key: text for key, _, text in HITS}
    for response in (whole, fetched, page):
        for hit in response["hits"]["hits"]:
            assert hit["fields"]["es_rerank.passage"] == [texts[hit["_id"]]]
            assert hit["fields"]["es_rerank.engine_rank"] == [int(hit["_id"])]
    assert [len(one["hits"]["hits"]) for one in (whole, fetched, page)] == [4, 1, 2]
    assert all("fields" not in hit for hit in skipped["hits"]["hits"])
    assert without_explanations(got.json) == plain.json
    assert got.headers["X-Rerank"] == plain.headers["X-Rerank"].replace("cached=0", "cached=4")


async def test_many_templates_do_not_show_texts() -> None:
    async with running() as (proxy, _, _):
        body = lines({"id": "t", "params": {"q": "mend it"}})
        got = await proxy.send("POST", "/docs/_msearch/template", body, EXPLAIN)
    names = {name for hit in got.json["responses"][0]["hits"]["hits"] for name in hit["fields"]}
    assert "es_rerank.probability" in names
    assert "es_rerank.passage" not in names


def in_background(running_at_submit: bool) -> Any:
    """Answer a submit and polls of an asynchronous search, which may be running at the submit."""

    def say(seen: ReceivedRequest) -> FakeResponse:
        still = running_at_submit and seen.method == "POST"
        body = {"id": "x", "is_partial": still, "is_running": still, "response": json.loads(found({}))}
        return FakeResponse(json.dumps(body).encode())

    return say


async def test_the_final_response_of_an_asynchronous_search_is_explained_at_submit_or_at_a_poll() -> None:
    async with running({"/": in_background(running_at_submit=False)}) as (proxy, _, _):
        final = (await proxy.send("POST", "/docs/_async_search", HOSE, EXPLAIN)).json
    async with running({"/": in_background(running_at_submit=True)}) as (proxy, _, _):
        partial = (await proxy.send("POST", "/docs/_async_search", HOSE, EXPLAIN)).json
        polled = (await proxy.send("GET", f"/_async_search/{quote(partial['id'], safe='')}", None, EXPLAIN)).json
        plain = (await proxy.send("GET", f"/_async_search/{quote(partial['id'], safe='')}")).json
    assert all("fields" not in hit for one in (partial, plain) for hit in one["response"]["hits"]["hits"])
    for one in (final, polled):
        first = one["response"]["hits"]["hits"][0]
        assert first["_id"] == BEST[0]
        assert first["fields"]["es_rerank.engine_rank"] == [3]
        assert first["fields"]["es_rerank.passage"] == ["mend a hose"]
        for hit in one["response"]["hits"]["hits"]:
            hit.pop("fields")
    assert polled == plain


BODY = search_response(("a", 2.0, "x"), ("b", 1.0, "y"))
PLAN = Plan("hose", 0, 10, FetchSpec(FetchPhase.WINDOW, 0, 10), 10, Rule("docs"), ("body",))
WINDOW = RankedWindow(PLAN, EngineReply(), read(BODY), None, Outcome(OutcomeState.RERANKED))


def test_the_best_of_several_passages_is_shown_with_its_place() -> None:
    passages = [PassageRead(at, f"text {at}", 3, one, at * 10, at * 10 + 9) for at, one in enumerate((0.1, 0.8, None))]
    shown = json.loads(explained(BODY, WINDOW, [DocumentRead(passages, 3, truncated=False), None]))
    first, second = (hit["fields"] for hit in shown["hits"]["hits"])
    assert first["es_rerank.passage"] == ["text 1"]
    assert (first["es_rerank.passage_start"], first["es_rerank.passage_end"]) == ([10], [19])
    assert second == {"es_rerank.engine_rank": [2], "es_rerank.engine_score": [1.0]}


@pytest.mark.parametrize("hit", ['"_score": 1.0', '"_index": "docs", "_id": "a", "_score": 1.0, "fields": null'])
def test_hits_without_an_id_or_with_other_fields_are_unchanged(hit: str) -> None:
    body = ('{"hits": {"hits": [{' + hit + "}]}}").encode()
    window = RankedWindow(PLAN, EngineReply(), read(body), None, Outcome(OutcomeState.RERANKED))
    assert explained(body, window, []) == body


@pytest.mark.parametrize(("value", "wanted"), [("true", True), (" TRUE ", True), ("false", False), ("", False)])
def test_only_true_asks_for_an_explanation(value: str, wanted: bool) -> None:
    assert wants_explanation({"X-Rerank-Explain": value}) is wanted
    assert not wants_explanation({})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"", b',"fields":{%b}'),
        (b',"fields":{}', b',"fields":{%b}'),
        (b',"fields":{"n":[1.50]}', b',"fields":{%b,"n":[1.50]}'),
        (b',"fields": { "n":[1.50] }', b',"fields": {%b, "n":[1.50] }'),
    ],
)
def test_values_are_inserted_into_the_fields_of_a_hit(fields: bytes, expected: bytes) -> None:
    body = b'{"hits":{"hits":[{"_index":"docs","_id":"a","_score":2.0%b}]}}' % fields
    window = RankedWindow(PLAN, EngineReply(), read(body), None, Outcome(OutcomeState.RERANKED))
    values = b'"es_rerank.engine_rank":[1],"es_rerank.engine_score":[2.0]'
    hit = b'{"_index":"docs","_id":"a","_score":2.0%b}' % (expected % values)
    assert explained(body, window, []) == b'{"hits":{"hits":[%b]}}' % hit


@pytest.mark.parametrize(("first", "ranks"), [(0, [1, 2]), (20, [21, 22])])
def test_ranks_are_counted_from_the_first_hit_of_the_search(first: int, ranks: list[int]) -> None:
    plan = replace(PLAN, start=first, fetch=FetchSpec(FetchPhase.WINDOW, first, 10))
    shown = json.loads(explained(BODY, replace(WINDOW, plan=plan), []))
    assert [hit["fields"]["es_rerank.engine_rank"] for hit in shown["hits"]["hits"]] == [[rank] for rank in ranks]
