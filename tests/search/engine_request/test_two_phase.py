"""Which searches are fetched in two phases is decided in `search/plan.py`, see tests/search/test_plan.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from es_rerank.model import FetchPhase, FetchSpec, HitKey, SearchBody
from es_rerank.search.documents import documents_query
from es_rerank.search.engine_request.two_phase import fetch_phase_body, query_phase_body
from tests.search.builders import a_search

HIGHLIGHTED = {"query": {"match": {"body": "hose"}}, "highlight": {"fields": {"body": {}}}}


def body(value: dict[str, Any]) -> SearchBody:
    return a_search(value).body


def fetch(*hits: HitKey, ordered: bool = False) -> FetchSpec:
    return FetchSpec(FetchPhase.FETCH, 0, 10, hits, ordered)


def written(members: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(members)


def decoded(members: Mapping[str, object]) -> Any:
    return msgspec.json.decode(written(members))


def test_the_query_phase_has_the_same_hits_with_only_the_fields_that_the_model_reads() -> None:
    search = body({**HIGHLIGHTED, "aggs": {}, "min_score": 1.5, "_source": ["tag"], "fields": ["tag"]})
    assert decoded(query_phase_body(search, ("title", "body"))) == {
        "query": HIGHLIGHTED["query"],
        "min_score": 1.5,
        "_source": ["title", "body"],
    }


def test_the_query_phase_of_an_empty_body_asks_for_the_fields_alone() -> None:
    assert written(query_phase_body(SearchBody(), ("title",))) == b'{"_source":["title"]}'
    stored = query_phase_body(SearchBody(), ("title",), stored=True)
    assert written(stored) == b'{"_source":false,"stored_fields":["title"]}'


def test_the_query_phase_has_no_inner_hits_at_any_depth() -> None:
    inner = '{"nested":{"path":"c","query" : {"term":{"n":123456789012345678901234567890}}%s}}'
    text = '{"query":{"bool":{"must":[%s,{"match":{"inner_hits":"x"}}],"should":%s}}}'
    nested = inner % ',"inner_hits":{"size":1}'
    members = query_phase_body(SearchBody.parse((text % (nested, nested)).encode()), ("body",))
    assert written(members) == (text % (inner % "", inner % ""))[:-1].encode() + b',"_source":["body"]}'


def test_an_object_that_repeats_a_member_is_left_to_the_engine() -> None:
    repeated = b'{"match":{"body":"a"},"match":{"body":"b"},"inner_hits":{}}'
    clean = b'{"nested":{"path":"c","query":{"match":{"body":"a"}},"inner_hits":{}}}'
    search = SearchBody.parse(b'{"query":{"bool":{"must":[%s,%s]}}}' % (repeated, clean))
    text = written(query_phase_body(search, ["body"]))
    assert repeated in text
    assert clean.replace(b',"inner_hits":{}', b"") in text


def test_numbers_keep_their_digits() -> None:
    search = SearchBody.parse(b'{"query":{"term":{"n":123456789012345678901234567890}},"highlight":{}}')
    assert b"123456789012345678901234567890" in written(query_phase_body(search, ("body",)))
    assert b"123456789012345678901234567890" in written(fetch_phase_body(search, fetch(HitKey("docs", "1"))))


def documents(index: str, *ids: str) -> dict[str, Any]:
    return documents_query([HitKey(index, id_) for id_ in ids])


@pytest.mark.parametrize(
    ("before", "filters"),
    [
        ({}, [documents("docs", "7", "3")]),
        ({"post_filter": {"term": {"t": 1}}}, [documents("docs", "7", "3"), {"term": {"t": 1}}]),
    ],
)
def test_the_fetch_phase_is_the_clients_request_restricted_to_the_page(
    before: dict[str, Any], filters: list[Any]
) -> None:
    members = fetch_phase_body(body({**HIGHLIGHTED, **before}), fetch(HitKey("docs", "7"), HitKey("docs", "3")))
    assert decoded(members) == {**HIGHLIGHTED, "post_filter": {"bool": {"filter": filters}}}


def test_the_fetch_phase_matches_each_id_in_its_own_index() -> None:
    members = fetch_phase_body(SearchBody(), fetch(HitKey("a", "1"), HitKey("b", "1"), HitKey("a", "2")))
    clauses = [documents("a", "1", "2"), documents("b", "1")]
    assert decoded(members) == {"post_filter": {"bool": {"filter": [{"bool": {"should": clauses}}]}}}


def test_without_hits_the_fetch_phase_matches_nothing() -> None:
    assert decoded(fetch_phase_body(SearchBody(), fetch())) == {
        "post_filter": {"bool": {"filter": [{"match_none": {}}]}}
    }


def test_only_the_fetch_phase_has_the_options_of_plugins() -> None:
    search = body({**HIGHLIGHTED, "ext": {"ubi": {}}})
    assert "ext" not in query_phase_body(search, ("body",))
    ordered = decoded(fetch_phase_body(search, fetch(HitKey("a", "1"), HitKey("b", "2"), ordered=True)))
    assert ordered["ext"] == {"ubi": {}}
    boosts = [one["constant_score"]["boost"] for one in ordered["rescore"]["query"]["rescore_query"]["bool"]["should"]]
    assert (boosts, ordered["rescore"]["window_size"]) == ([2.0, 1.0], 2)
