from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, cast

import pytest

from es_rerank.testing import CAPS, ClientReply, FakeResponse, ReceivedRequest, until

from .engine import BEST, HITS, HOSE, MISSING, ids, msearch, page_ids, render, running

SORTED = {**HOSE, "sort": "date"}
NDJSON = [("Content-Type", "application/x-ndjson")]


def lines(*pairs: tuple[Any, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for pair in pairs for one in pair)


def orders(got: ClientReply) -> list[Any]:
    return [ids(one) if "hits" in one else one for one in got.json["responses"]]


async def test_each_search_is_reranked_or_skipped_at_its_position() -> None:
    body = lines(({}, SORTED), ({}, {**HOSE, "size": 2}), ({"index": "nope"}, HOSE), ({"index": "docs"}, HOSE))
    async with running() as (proxy, engine, _):
        engine.says["/nope/_field_caps"] = FakeResponse(b"", status=404)
        engine.says = {"/nope": engine.says.pop("/nope/_field_caps"), **engine.says}
        got = await proxy.send("POST", "/docs/_msearch?typed_keys=true", body, NDJSON)
    engines = [key for key, _, _ in HITS]
    assert orders(got) == [engines, BEST[:2], MISSING, BEST]
    assert got.json["took"] == 7
    assert got.headers["X-Rerank"] == (
        "skipped; why=sort, reranked; window=4; cached=0; model=BAAI/bge-reranker-v2-m3, skipped; why=mapping, "
        "reranked; window=4; cached=0; model=BAAI/bge-reranker-v2-m3"
    )
    assert engine.targets() == ["/docs/_msearch?typed_keys=true"]
    sent = [json.loads(line) for line in engine.seen[-1].body.splitlines()]
    assert [(one.get("from"), one.get("size")) for one in sent[1::2]] == [(None, None), (0, 50), (None, None), (0, 50)]


async def test_equal_searches_are_scored_once() -> None:
    async with running() as (proxy, engine, reranker):
        await proxy.send("POST", "/docs/_msearch", lines(*[({}, HOSE)] * 5), NDJSON)
    assert len(reranker.seen) == 1
    assert len([seen for seen in engine.seen if "_field_caps" in seen.target]) == 1


@pytest.mark.parametrize(
    "body", [lines(({}, SORTED), ({}, {"query": {"match_all": {}}})), b"{}\n{}\n{}\n", b"no json\n"]
)
async def test_a_request_without_a_planned_search_reaches_the_engine_unchanged(body: bytes) -> None:
    response = FakeResponse(b'{"responses": "whatever"}')
    async with running({"/docs/_msearch": response}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", body, NDJSON)
    assert (got.body, engine.seen[-1].body) == (response.body, body)
    assert got.headers["X-Rerank"].startswith("skipped; why=")


@pytest.mark.parametrize(
    "response",
    [
        FakeResponse(b'{"error":{}}', status=400),
        FakeResponse(b"[]"),
        FakeResponse(b'{"responses":[]}'),
        FakeResponse(b'{"took":1}'),
    ],
)
async def test_after_an_unreadable_response_the_clients_own_request_is_sent(response: FakeResponse) -> None:
    body = lines(({}, SORTED), ({}, HOSE))
    async with running({"/docs/_msearch": response}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", body, NDJSON)
    assert (got.status, got.body, engine.seen[-1].body) == (response.status, response.body, body)
    assert got.headers["X-Rerank"] == "skipped; why=sort, skipped; why=engine_error"


async def test_a_search_that_fails_when_it_is_widened_is_sent_as_the_client_wrote_it() -> None:
    def narrow(seen: ReceivedRequest) -> FakeResponse:
        response = msearch(seen)
        assert isinstance(response.body, bytes)
        whole = json.loads(response.body)
        bodies = [json.loads(line) for line in seen.body.splitlines()][1::2]
        for at, one in enumerate(bodies):
            if one.get("size", 0) > 20:
                whole["responses"][at] = {"error": {"type": "too_many"}, "status": 400}
        return FakeResponse(json.dumps(whole).encode())

    body = lines(({}, {**HOSE, "size": 2}), ({}, SORTED))
    async with running({"/docs/_msearch": narrow}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", body, NDJSON)
    assert orders(got) == [["1", "2"], [key for key, _, _ in HITS]]
    assert engine.seen[-1].body == lines(({}, {**HOSE, "size": 2}))
    assert len(engine.targets()) == 2
    assert got.headers["X-Rerank"] == "skipped; why=engine_error, skipped; why=sort"


async def test_filter_path_cuts_the_whole_response() -> None:
    async with running() as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch?filter_path=responses.hits.hits._id", lines(({}, HOSE)), NDJSON)
    assert got.json == {"responses": [{"hits": {"hits": [{"_id": one} for one in BEST]}}]}
    assert engine.targets() == ["/docs/_msearch?filter_path=**"]


async def test_if_the_model_fails_each_page_has_the_engines_order() -> None:
    async with running(model=FakeResponse(b"oops", status=500)) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_msearch", lines(({}, {**HOSE, "size": 2}), ({}, HOSE)), NDJSON)
    assert (got.status, orders(got)) == (200, [["1", "2"], ["1", "2", "3", "4"]])
    assert got.headers["X-Rerank"] == "failed; why=reranker_error, failed; why=reranker_error"


async def test_a_strict_rule_makes_an_error_of_only_its_own_search(tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\nstrict: true\n")
    async with running(model=FakeResponse(b"oops", status=500), mappings=tmp_path) as (proxy, _, _):
        got = await proxy.send("POST", "/docs/_msearch", lines(({}, HOSE), ({}, SORTED)), NDJSON)
    first, second = got.json["responses"]
    assert (got.status, first["status"], first["error"]["type"]) == (200, 500, "rerank_exception")
    assert ids(second) == ["1", "2", "3", "4"]


async def test_the_hits_of_each_search_that_is_answered_are_logged(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "docs.yaml").write_text("index: docs\n")
    (rules / "other.yaml").write_text("index: other\nstrict: true\n")
    log, other = tmp_path / "log.jsonl", {**CAPS, "indices": ["other"]}
    broken = FakeResponse(b"oops", status=500)
    async with running(model=broken, mappings=rules, ubi_log=log) as (proxy, engine, _):
        engine.says = {"/other/_field_caps": FakeResponse(json.dumps(other).encode()), **engine.says}
        body = lines(({}, HOSE), ({"index": "other"}, {"query": {"match": {"body": "mend"}}}))
        got = await proxy.send("POST", "/docs/_msearch", body, NDJSON)
    assert got.headers["X-Rerank"] == "failed; why=reranker_error, failed; why=reranker_error"
    assert "error" in got.json["responses"][1]
    records = [json.loads(line) for line in log.read_text().splitlines()]
    shown = [(one["user_query"], one["query_response_hit_ids"]) for one in records]
    assert shown == [("hose", [key for key, _, _ in HITS])]


async def test_a_query_phase_is_followed_by_the_fetch_phase_of_only_its_search() -> None:
    marked = {**HOSE, "size": 1, "highlight": {"fields": {"body": {}}}}

    def marking(seen: ReceivedRequest) -> FakeResponse:
        """Highlight the hits of the fetch phase."""
        response = msearch(seen)
        assert isinstance(response.body, bytes)
        whole = json.loads(response.body)
        bodies = [json.loads(line) for line in seen.body.splitlines()][1::2]
        for body, one in zip(bodies, whole["responses"], strict=True):
            if "post_filter" in body:
                assert page_ids(body) == BEST[:1]
                one["hits"]["hits"] = [row | {"highlight": {}} for row in one["hits"]["hits"]]
        return FakeResponse(json.dumps(whole).encode())

    async with running({"/docs/_msearch": marking}) as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", lines(({}, marked), ({}, HOSE)), NDJSON)
    assert orders(got) == [BEST[:1], BEST]
    assert got.json["responses"][0]["hits"]["hits"][0]["highlight"] == {}
    assert len(engine.targets()) == 2


class TestTemplates:
    """Each template is rendered, then searched; the engine refuses one that cannot be rendered."""

    @staticmethod
    def asked(text: str, **more: Any) -> dict[str, Any]:
        return {"id": "t", "params": {"q": text}, **more}

    async def test_rendered_searches_are_sent_together(self) -> None:
        body = lines(({"index": "docs"}, self.asked("hose")), ({"index": "docs"}, self.asked("mend")))
        async with running() as (proxy, engine, _):
            got = await proxy.send("POST", "/_msearch/template", body, NDJSON)
        assert orders(got) == [BEST, BEST]
        assert engine.targets() == ["/_render/template", "/_render/template", "/_msearch"]
        assert b'"n":1.50' in engine.seen[-1].body

    async def test_a_template_that_cannot_be_rendered_keeps_its_own_error(self) -> None:
        error = {"error": {"type": "resource_not_found_exception"}, "status": 404}
        own = FakeResponse(json.dumps({"responses": [error, {}]}).encode())
        body = lines(({"index": "docs"}, {"id": "unknown"}), ({"index": "docs"}, self.asked("hose")))
        async with running({"/_msearch/template": own}) as (proxy, engine, _):
            got = await proxy.send("POST", "/_msearch/template", body, NDJSON)
        assert orders(got) == [error, BEST]
        assert got.headers["X-Rerank"].startswith("skipped; why=unreadable, reranked")
        assert engine.seen[-1].body == body


async def test_compressed_and_plain_responses_may_arrive_at_the_same_time() -> None:
    """An engine compresses or not as it likes: here one rendering is plain and slow, the next compressed and fast."""

    def rendering(seen: ReceivedRequest) -> FakeResponse:
        response = render(seen)
        assert isinstance(response.body, bytes)
        if seen.json["params"]["q"] == "hose":
            return FakeResponse([response.body[:5], response.body[5:]], pause=0.1)
        return FakeResponse(gzip.compress(response.body), headers=[("Content-Encoding", "gzip")], seconds=0.05)

    pairs = [({"index": "docs"}, {"id": "t", "params": {"q": text}}) for text in ("hose", "mend", "hose", "parts")]
    async with running({"/_render/template": rendering}, engine_compression="on") as (proxy, _, _):
        got = await proxy.send("POST", "/_msearch/template", lines(*pairs), [*NDJSON, ("Accept-Encoding", "gzip")])
    assert orders(got) == [BEST] * 4


async def test_a_search_that_is_only_measured_is_searched_on_its_own_after_the_response() -> None:
    shadow = [*NDJSON, ("X-Rerank-Mode", "shadow")]
    async with running() as (proxy, engine, model):
        got = await proxy.send("POST", "/docs/_msearch", lines(({}, HOSE), ({}, SORTED)), shadow)
        await until(lambda: bool(model.seen))
    assert got.headers["X-Rerank"] == "shadow, skipped; why=sort"
    assert orders(got) == [[key for key, _, _ in HITS]] * 2
    assert engine.targets() == ["/docs/_msearch"] * 2
    assert [json.loads(line) for line in engine.seen[-1].body.splitlines()] == [{}, {**HOSE, "from": 0, "size": 50}]
    assert len(model.seen[0].json["text_2"]) == len(HITS)


async def test_after_an_engine_has_refused_a_window_that_of_the_next_search_is_smaller() -> None:
    reason = "Result window is too large, from + size must be less than or equal to: [3] but was [50]."
    error = {"error": {"root_cause": [{"type": "illegal_argument_exception", "reason": reason}]}, "status": 400}

    def limited(seen: ReceivedRequest) -> FakeResponse:
        whole = json.loads(cast("bytes", msearch(seen).body))
        bodies = [json.loads(line) for line in seen.body.splitlines()][1::2]
        each = [error if body.get("size", 0) > 3 else one for body, one in zip(bodies, whole["responses"], strict=True)]
        return FakeResponse(json.dumps({**whole, "responses": each}).encode())

    body = lines(({}, {**HOSE, "size": 2}))
    async with running({"/docs/_msearch": limited}) as (proxy, _, _):
        got = [await proxy.send("POST", "/docs/_msearch", body, NDJSON) for _ in range(2)]
    assert got[0].headers["X-Rerank"] == "skipped; why=engine_error"
    assert got[1].headers["X-Rerank"].startswith("reranked; window=3;")


@pytest.mark.parametrize("is_named", [True, False])
async def test_an_unchanged_request_names_no_reranker_that_was_removed(is_named: bool) -> None:
    text = {"text_similarity_reranker": {"retriever": {"standard": HOSE}, "inference_text": "mend it"}}
    named = {"retriever": text, "size": 0} if is_named else {**HOSE, "size": 0}
    body = lines(({}, SORTED), ({}, named))
    async with running() as (proxy, engine, _):
        got = await proxy.send("POST", "/docs/_msearch", body, NDJSON)
    assert got.headers["X-Rerank"] == "skipped; why=sort, skipped; why=size_zero"
    sent = [json.loads(line) for line in engine.seen[-1].body.splitlines()]
    assert sent == [{}, SORTED, {}, {**HOSE, "size": 0}]
    assert is_named or engine.seen[-1].body == body


@pytest.mark.parametrize("is_named", [True, False])
async def test_skipped_templates_are_sent_without_a_reranker_that_they_name(is_named: bool) -> None:
    text = {"text_similarity_reranker": {"retriever": {"standard": HOSE}, "inference_text": "mend it"}}
    named = {"retriever": text, "size": 0} if is_named else {**HOSE, "size": 0}
    output = FakeResponse(json.dumps({"template_output": named}).encode())
    body = b'{"index":"docs"}\r\n{"id":"t"}\r\n'
    async with running({"/_render/template": output}) as (proxy, engine, _):
        got = await proxy.send("POST", "/_msearch/template", body, NDJSON)
    assert got.headers["X-Rerank"] == "skipped; why=size_zero"
    sent = engine.seen[-1]
    assert sent.target == "/_msearch/template"
    if is_named:
        header, template = (json.loads(line) for line in sent.body.splitlines())
        assert (header, json.loads(template["params"]["search"])) == ({"index": "docs"}, {**HOSE, "size": 0})
    else:
        assert sent.body == body
