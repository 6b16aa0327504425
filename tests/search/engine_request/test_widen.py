from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import FetchPhase, FetchSpec, HitKey, Plan
from es_rerank.search.documents import documents_query
from es_rerank.search.engine_request.widen import only_parameters, widen, widen_item
from es_rerank.search.formats.endpoints import parameters
from tests.search.builders import a_plan, a_search

PLAN = a_plan(passage_fields=("title",))
WITH_FIELDS = replace(PLAN, extra_fields=("title", "body.en"))


def widened(query_string: str, body: bytes, plan: Plan) -> tuple[str, bytes]:
    return widen(query_string, a_search(body, parameters(query_string)), plan)


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", "from=0&size=50"),
        ("pretty&q=a%20b", "pretty&q=a%20b&from=0&size=50"),
        ("size=3&pretty=&from=2&&size=4", "pretty=&from=0&size=50"),
        ("filter_path=took&pretty", "pretty&from=0&size=50&filter_path=**"),
        ("filter_path=-took,-_shards", "from=0&size=50&filter_path=-es_rerank.nothing"),
        ("filter_path=-took&filter_path=hits", "from=0&size=50&filter_path=**"),
        ("filter_path=hits&filter_path=-took", "from=0&size=50&filter_path=-es_rerank.nothing"),
        ("filter_path=-took,hits", "from=0&size=50&filter_path=**"),
        ("filter_path=", "filter_path=&from=0&size=50"),
        ("%73ize=3", "from=0&size=50"),
    ],
)
def test_the_page_goes_into_the_url_and_the_body_is_unchanged(query_string: str, expected: str) -> None:
    body = b'{"from": 7 , "size":1}'
    assert widened(query_string, body, PLAN) == (expected, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", b'{"fields":["title","body.en"]}'),
        (b'{ "n": 1.50 }', b'{"n":1.50,"fields":["title","body.en"]}'),
        (
            b'{"fields":[ "pk" ],"n": 12345678901234567890123}',
            b'{"fields":["pk","title","body.en"],"n":12345678901234567890123}',
        ),
        (b'{"fields":[{"field":"pk"}]}', b'{"fields":[{"field":"pk"},"title","body.en"]}'),
    ],
)
def test_extra_fields_are_requested_in_the_body(body: bytes, expected: bytes) -> None:
    assert widened("", body, WITH_FIELDS) == ("from=0&size=50", expected)


def test_a_body_in_the_url_is_sent_as_a_body() -> None:
    query_string = "source=%7B%22size%22%3A1%7D&pretty&source_content_type=application/json"
    assert widened(query_string, b'{"size":1}', PLAN) == ("pretty&from=0&size=50", b'{"size":1}')


@pytest.mark.parametrize("extra_fields", [(), ("title",)])
def test_hits_without_stored_fields_are_requested_as_hits_without_source(extra_fields: tuple[str, ...]) -> None:
    plan = replace(PLAN, without_stored_fields=True, extra_fields=extra_fields)
    body = b'{"stored_fields":"_none_","docvalue_fields":["sku"],"n":1.50}'
    expected = b'{"docvalue_fields":["sku"],"n":1.50,"_source":false,"fields":%b}'
    fields = b'["title"]' if extra_fields else b"[]"
    assert widened("stored_fields=_none_&pretty", body, plan) == ("pretty&from=0&size=50", expected % fields)


@pytest.mark.parametrize(
    ("body", "plan", "expected"),
    [
        (b"{}", PLAN, b'{"from":0,"size":50}'),
        (b'{"size": 3 ,"n":1.50}', PLAN, b'{"size":50,"n":1.50,"from":0}'),
        (b'{"size":3}', WITH_FIELDS, b'{"size":50,"fields":["title","body.en"],"from":0}'),
    ],
)
def test_one_of_many_searches_has_its_page_in_its_body(body: bytes, plan: Plan, expected: bytes) -> None:
    assert widen_item(a_search(body), plan) == expected


QUERY_PHASE = replace(PLAN, fetch=FetchSpec(FetchPhase.QUERY, 0, 50))
FETCH_PHASE = replace(PLAN, fetch=FetchSpec(FetchPhase.FETCH, 0, 1, (HitKey("docs", "7"),)))
ONE_DOCUMENT = documents_query([HitKey("docs", "7")])


@pytest.mark.parametrize(
    ("plan", "query_string", "members"),
    [
        (QUERY_PHASE, "routing=a&from=0&size=50", {"query": {}, "_source": ["title"]}),
        (
            FETCH_PHASE,
            "routing=a&_source=tag&explain&from=0&size=1",
            {"query": {}, "highlight": {}, "post_filter": {"bool": {"filter": [ONE_DOCUMENT]}}},
        ),
    ],
)
def test_each_phase_has_its_own_url_and_body(plan: Plan, query_string: str, members: dict[str, Any]) -> None:
    body = b'{"query":{},"highlight":{}}'
    sent_query_string, sent = widened("routing=a&_source=tag&explain&size=1", body, plan)
    assert (sent_query_string, msgspec.json.decode(sent)) == (query_string, members)
    page = {"from": plan.fetch.from_, "size": plan.fetch.size}
    assert msgspec.json.decode(widen_item(a_search(body), plan)) == {**members, **page}


def test_only_some_parameters_are_kept_as_the_client_wrote_them() -> None:
    assert only_parameters("a=x%20y&b=1&%61=2&c", frozenset({"a", "c"})) == "a=x%20y&%61=2&c"
    assert only_parameters("", frozenset({"a"})) == ""


@given(st.text(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_all_other_parameters_are_unchanged(query_string: str, start: int, size: int) -> None:
    plan = replace(PLAN, fetch=FetchSpec(FetchPhase.WINDOW, start, size))
    sent_query_string, _ = widened(query_string, b"", plan)
    before = {name: value for name, value in parameters(query_string).items() if name != "filter_path"}
    after = {name: value for name, value in parameters(sent_query_string).items() if name != "filter_path"}
    assert after == {**before, "from": str(start), "size": str(size)}
