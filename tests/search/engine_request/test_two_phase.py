from __future__ import annotations

import json
from typing import Any

import pytest

from es_rerank.model import IndexInfo, Plan, Rule, Search
from es_rerank.search.engine_request.two_phase import fetch_phase_body, query_phase_body, two_phase_applies

ONE = IndexInfo(("docs",), {"body": "text"})
PLAN = Plan("hose", 0, 10, 0, 50, 50, Rule("docs"), ("body",))
MARKED = {"query": {"match": {"body": "hose"}}, "highlight": {"fields": {"body": {}}}}


@pytest.mark.parametrize(
    ("params", "body", "info", "size", "expected"),
    [
        ({}, MARKED, ONE, 10, True),
        ({}, {**MARKED, "aggs": {"a": {"terms": {"field": "tag"}}}, "post_filter": {"term": {"t": 1}}}, ONE, 10, True),
        ({}, {"query": {}, "explain": True}, ONE, 10, True),
        ({"explain": "true"}, {"query": {}}, ONE, 10, True),
        ({}, {"query": {}, "script_fields": {"s": {}}}, ONE, 25, True),
        ({}, MARKED, ONE, 26, False),
        ({}, MARKED, ONE, 0, False),
        ({}, {"query": {}, "explain": False}, ONE, 10, False),
        ({"explain": "false"}, {"query": {}}, ONE, 10, False),
        ({}, {**MARKED, "collapse": {"field": "tag"}}, ONE, 10, False),
        ({}, {**MARKED, "rescore": {}}, ONE, 10, False),
        ({}, {**MARKED, "never_heard_of": 1}, ONE, 10, False),
        ({"terminate_after": "5"}, MARKED, ONE, 10, False),
        ({"source": "{}"}, MARKED, ONE, 10, False),
        ({}, MARKED, IndexInfo(("docs", "more"), {}), 10, True),
        ({}, MARKED, IndexInfo(("docs", "far:more"), {}), 10, False),
        ({}, MARKED, IndexInfo((), {}), 10, False),
        ({"explain": "true", "q": "hose"}, {}, ONE, 10, True),
        ({"explain": "true"}, {}, ONE, 10, False),
    ],
)
def test_two_requests_are_made_only_where_they_give_the_same_answer(
    params: dict[str, str], body: dict[str, Any], info: IndexInfo, size: int, expected: bool
) -> None:
    plan = Plan("hose", 0, size, 0, 50, 50, Rule("docs"), ("body",))
    assert two_phase_applies(Search("docs", params, body), info, plan, beside=False) is expected


@pytest.mark.parametrize(
    ("params", "body", "info", "expected"),
    [
        ({}, {"query": {}, "_source": False}, ONE, True),
        ({"_source_excludes": "body"}, {"query": {}}, ONE, True),
        ({"q": "hose"}, {"_source": False}, ONE, True),
        ({"q": "hose", "_source": "title"}, {}, ONE, True),
        ({"terminate_after": "5"}, {"_source": False}, ONE, False),
    ],
)
def test_where_fields_would_stand_beside_the_clients_view_any_page_is_fetched_in_two(
    params: dict[str, str], body: dict[str, Any], info: IndexInfo, expected: bool
) -> None:
    plan = Plan("hose", 0, 50, 0, 50, 50, Rule("docs"), ("body",))
    assert two_phase_applies(Search("docs", params, body), info, plan, beside=True) is expected


def test_the_light_request_asks_for_the_same_hits_and_only_their_text() -> None:
    body = json.dumps({**MARKED, "aggs": {}, "min_score": 1.5, "_source": ["tag"], "fields": ["tag"]}).encode()
    assert json.loads(query_phase_body(body, ("title", "body"))) == {
        "query": MARKED["query"],
        "min_score": 1.5,
        "_source": ["title", "body"],
    }


def test_inner_hits_are_left_out_of_the_light_request_wherever_they_stand() -> None:
    inner = '{"nested":{"path":"c","query" : {"term":{"n":123456789012345678901234567890}}%s}}'
    body = '{"query":{"bool":{"must":[%s,{"match":{"inner_hits":"x"}}],"should":%s}}}'
    marked = inner % ',"inner_hits":{"size":1}'
    found = query_phase_body((body % (marked, marked)).encode(), ("body",))
    assert found == (body % (inner % "", inner % ""))[:-1].encode() + b',"_source":["body"]}'
    assert two_phase_applies(Search("docs", raw=marked.encode(), body={"query": {}}), ONE, PLAN, beside=False)


def test_what_says_a_thing_twice_is_left_to_the_engine_as_it_came() -> None:
    twice = b'{"match":{"body":"a"},"match":{"body":"b"},"inner_hits":{}}'
    clean = b'{"nested":{"path":"c","query":{"match":{"body":"a"}},"inner_hits":{}}}'
    said = query_phase_body(b'{"query":{"bool":{"must":[%s,%s]}}}' % (twice, clean), ["body"])
    assert twice in said
    assert clean.replace(b',"inner_hits":{}', b"") in said


def test_numbers_keep_their_digits() -> None:
    body = b'{"query":{"term":{"n":123456789012345678901234567890}},"highlight":{}}'
    assert b"123456789012345678901234567890" in query_phase_body(body, ("body",))
    assert b"123456789012345678901234567890" in fetch_phase_body(body, (("docs", "1"),))


def documents(index: str, *names: str) -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": list(names)}}]}}


@pytest.mark.parametrize(
    ("before", "filters"),
    [
        ({}, [documents("docs", "7", "3")]),
        ({"post_filter": {"term": {"t": 1}}}, [documents("docs", "7", "3"), {"term": {"t": 1}}]),
    ],
)
def test_the_page_in_full_is_the_clients_request_cut_to_its_documents(
    before: dict[str, Any], filters: list[Any]
) -> None:
    sent = json.loads(fetch_phase_body(json.dumps({**MARKED, **before}).encode(), (("docs", "7"), ("docs", "3"))))
    assert sent == {**MARKED, "post_filter": {"bool": {"filter": filters}}}


def test_an_id_is_looked_for_in_its_own_index() -> None:
    sent = json.loads(fetch_phase_body(b"", (("a", "1"), ("b", "1"), ("a", "2"))))
    each = [documents("a", "1", "2"), documents("b", "1")]
    assert sent == {"post_filter": {"bool": {"filter": [{"bool": {"should": each}}]}}}
