from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Plan, Rule, Search
from es_rerank.search.engine_request.widen import widen, widen_item
from es_rerank.search.formats.endpoints import parameters

PLAN = Plan("hose", 0, 10, 0, 50, 50, Rule("docs"), ("title",))
MORE = replace(PLAN, extra_fields=("title", "body.en"))


def sent(query_string: str, raw: bytes, plan: Plan) -> tuple[str, bytes]:
    return widen(query_string, Search("docs", parameters(query_string), raw=raw), plan)


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", "from=0&size=50"),
        ("pretty&q=a%20b", "pretty&q=a%20b&from=0&size=50"),
        ("size=3&pretty=&from=2&&size=4", "pretty=&from=0&size=50"),
        ("filter_path=took&pretty", "pretty&from=0&size=50&filter_path=**"),
        ("filter_path=-took,-_shards", "from=0&size=50&filter_path=-es_rerank.nothing"),
        ("filter_path=-took,hits", "from=0&size=50&filter_path=**"),
        ("filter_path=", "filter_path=&from=0&size=50"),
        ("%73ize=3", "from=0&size=50"),
    ],
)
def test_the_page_goes_into_the_url_and_the_body_stays_as_it_came(query_string: str, expected: str) -> None:
    body = b'{"from": 7 , "size":1}'
    assert sent(query_string, body, PLAN) == (expected, body)


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
def test_fields_are_asked_for_in_the_body(body: bytes, expected: bytes) -> None:
    assert sent("", body, MORE) == ("from=0&size=50", expected)


def test_a_body_in_the_url_is_sent_as_one() -> None:
    query_string = "source=%7B%22size%22%3A1%7D&pretty&source_content_type=application/json"
    assert sent(query_string, b'{"size":1}', PLAN) == ("pretty&from=0&size=50", b'{"size":1}')


@pytest.mark.parametrize("more", [(), ("title",)])
def test_hits_without_ids_are_asked_for_as_hits_without_source(more: tuple[str, ...]) -> None:
    bare = replace(PLAN, bare=True, extra_fields=more)
    body = b'{"stored_fields":"_none_","docvalue_fields":["sku"],"n":1.50}'
    expected = b'{"docvalue_fields":["sku"],"n":1.50,"_source":false,"fields":%b}'
    fields = b'["title"]' if more else b"[]"
    assert sent("stored_fields=_none_&pretty", body, bare) == ("pretty&from=0&size=50", expected % fields)


@pytest.mark.parametrize(
    ("body", "plan", "expected"),
    [
        (b"{}", PLAN, b'{"from":0,"size":50}'),
        (b'{"size": 3 ,"n":1.50}', PLAN, b'{"size":50,"n":1.50,"from":0}'),
        (b'{"size":3}', MORE, b'{"size":50,"fields":["title","body.en"],"from":0}'),
    ],
)
def test_one_of_many_searches_says_its_page_in_its_body(body: bytes, plan: Plan, expected: bytes) -> None:
    assert widen_item(Search("docs", raw=body), plan) == expected


@given(st.text(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_all_other_parameters_stay(query_string: str, start: int, size: int) -> None:
    widened, _ = sent(query_string, b"", replace(PLAN, fetch_from=start, fetch_size=size))
    before = {name: value for name, value in parameters(query_string).items() if name != "filter_path"}
    after = {name: value for name, value in parameters(widened).items() if name != "filter_path"}
    assert after == {**before, "from": str(start), "size": str(size)}
