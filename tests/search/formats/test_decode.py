from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.jsonspan import MAX_DEPTH
from es_rerank.model import PlanningBudget, RerankRequest, Search, Skip, Why
from es_rerank.search.formats.decode import content, decode, unreadable, wants_other_format
from es_rerank.search.formats.endpoints import EndpointRequest, ParsedSearch
from es_rerank.search.formats.parse import parse
from tests.search.builders import a_search
from tests.search.strategies import JSON

DEEP_FILTER = "filter_path=" + ".".join(["a"] * 502)


@pytest.mark.parametrize(
    ("query_string", "body"),
    [
        ('source={"size":1}&source_content_type=application/json', b' {"size":2} '),
        ("source_content_type=application/json", b"{}"),
        ('source={"size":1}', b""),
        ("q=a;size=1", b""),
        (DEEP_FILTER, b""),
    ],
)
def test_a_request_that_engines_refuse_or_read_differently_is_left_to_them(query_string: str, body: bytes) -> None:
    assert unreadable(EndpointRequest("", query_string), body) == Skip(Why.UNREADABLE)
    assert parse(EndpointRequest("", query_string), body) == Skip(Why.UNREADABLE)


@pytest.mark.parametrize(
    ("query_string", "headers", "body", "why"),
    [
        ("", {}, b"{}", None),
        (DEEP_FILTER.removesuffix(".a"), {}, b"{}", None),
        ("", {"Content-Type": "application/json; charset=UTF-8"}, b"{}", None),
        ("", {"Content-Type": "application/vnd.elasticsearch+json;compatible-with=9"}, b"{}", None),
        ("", {"Content-Type": "application/yaml"}, b"size: 1", Why.FORMAT),
        ("", {"Content-Type": "application/yaml"}, b"", None),
        ('source={"size":1}&source_content_type=application/json', {}, b"", None),
        ("source=x&source_content_type=application/cbor", {}, b"", Why.FORMAT),
    ],
)
def test_a_body_that_is_no_json_is_another_format(
    query_string: str, headers: dict[str, str], body: bytes, why: Why | None
) -> None:
    assert unreadable(EndpointRequest("", query_string, headers), body) == (why and Skip(why))


@pytest.mark.parametrize(
    ("query_string", "accept", "expected"),
    [
        ("", "", False),
        ("format=json", "", False),
        ("format=YAML", "", True),
        ("format=cbor", "", True),
        ("format=smile", "application/json", True),
        ("format=text", "", False),
        ("", "application/json", False),
        ("", "*/*", False),
        ("", "application/vnd.elasticsearch+json; compatible-with=8", False),
        ("", "application/yaml", True),
    ],
)
def test_a_response_may_be_requested_in_another_format(query_string: str, accept: str, expected: bool) -> None:
    assert wants_other_format(EndpointRequest("", query_string, {"Accept": accept})) is expected


@pytest.mark.parametrize(
    ("query_string", "body", "expected"),
    [
        ("", b' {"size":1}\n', b'{"size":1}'),
        ("source=%7B%7D", b"", b"{}"),
        ("source=%7B%7D", b" ", b"{}"),
        ("", b"", b""),
    ],
)
def test_the_content_is_the_body_or_the_parameter_that_stands_for_it(
    query_string: str, body: bytes, expected: bytes
) -> None:
    assert content(EndpointRequest("", query_string), body) == expected


def decoded(body: bytes, headers: dict[str, str] | None = None, params: dict[str, str] | None = None) -> Search | Skip:
    return decode(EndpointRequest("docs", headers=headers or {}), ParsedSearch("docs", params or {}, body))


def test_a_search_is_decoded_with_its_target_and_parameters() -> None:
    request = EndpointRequest("other", "size=4")
    parsed = ParsedSearch("docs", {"size": "3"}, b'{"n": 1.50}')
    assert decode(request, parsed) == a_search(b'{"n": 1.50}', {"size": "3"})
    assert decoded(b"") == a_search()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[]", Why.UNREADABLE),
        (b"{", Why.UNREADABLE),
        (b'{"size":1,"size":2}', Why.UNREADABLE),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", Why.UNREADABLE),
        (json.dumps({f"member {number}": 1 for number in range(1001)}).encode(), Why.TOO_LARGE),
        (b'{"retriever":{"text_similarity_reranker":{}}}', Why.OWN_RERANKER),
        (b'{"retriever":{"text_similarity_\\u0072eranker":{}}}', Why.OWN_RERANKER),
    ],
)
def test_a_search_that_cannot_be_read_is_skipped(body: bytes, why: Why) -> None:
    assert decoded(body) == Skip(why)


def test_a_search_has_at_most_a_thousand_members() -> None:
    assert isinstance(decoded(json.dumps({f"member {number}": 1 for number in range(1000)}).encode()), Search)


RENDERED = replace(a_search(b'{"n":2}'), from_template=True)


@pytest.mark.parametrize(("rendered", "expected"), [(None, Skip(Why.UNREADABLE)), (b'{"n":2}', RENDERED)])
def test_a_template_is_decoded_from_what_it_rendered_to(rendered: bytes | None, expected: Search | Skip) -> None:
    parsed = ParsedSearch("docs", {}, b'{"id":"t"}', template=b'{"id":"t"}')
    assert decode(EndpointRequest("docs"), parsed, rendered) == expected


NATIVE = b'{"query":{},"ext":{"rerank":{"query_context":{"query_text":"cellar"}}}}'


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{}", {"X-Rerank-Query": "  hose "}, RerankRequest("hose", from_header=True)),
        (b"{}", {"X-Rerank-Query": "caf\udcc3\udca9"}, RerankRequest("caf\u00e9", from_header=True)),
        (b"{}", {"X-Rerank-Query": " "}, None),
        (b"{}", {}, None),
        (NATIVE, {}, RerankRequest("cellar")),
        (NATIVE, {"X-Rerank-Query": "hose"}, RerankRequest("cellar")),
    ],
)
def test_a_search_has_what_was_asked_of_the_reranker(
    body: bytes, headers: dict[str, str], expected: RerankRequest | None
) -> None:
    search = decoded(body, headers)
    assert isinstance(search, Search)
    assert search.rerank_request == expected
    assert "ext" not in search.body.values


def test_a_search_pipeline_reranks_by_itself() -> None:
    assert decoded(NATIVE, params={"search_pipeline": "mine"}) == Skip(Why.OWN_RERANKER)


BODIES = st.one_of(
    st.dictionaries(st.sampled_from(["query", "size", "ext", "retriever"]), JSON).map(msgspec.json.encode),
    JSON.map(msgspec.json.encode),
    st.binary(),
)


def test_any_bytes_are_a_search_or_skipped() -> None:
    results: list[Search | Skip] = []

    def read(request: EndpointRequest, body: bytes) -> Search | Skip:
        parsed = parse(request, body)
        return parsed if isinstance(parsed, Skip) else decode(request, parsed[0])

    @given(BODIES, st.sampled_from(["", "size=3"]) | st.text(), st.sampled_from(["", "*/*"]) | st.text(max_size=20))
    def check(body: bytes, query_string: str, media_type: str) -> None:
        headers = {"Accept": media_type, "Content-Type": media_type}
        result = read(EndpointRequest("", query_string, headers), body)
        results.append(result)
        assert isinstance(result, Search) or result.why in {Why.UNREADABLE, Why.FORMAT, Why.OWN_RERANKER}

    check()
    assert any(isinstance(result, Search) for result in results)
    assert any(isinstance(result, Skip) for result in results)


def levels(count: int) -> bytes:
    return b'{"aggs":' + b"[" * count + b"]" * count + b"}"


def test_a_search_is_decoded_up_to_a_fixed_depth_wherever_it_is_called_from() -> None:
    def deeper(calls: int, count: int) -> Search | Skip:
        return deeper(calls - 1, count) if calls else decoded(levels(count))

    for calls in (0, 300):
        assert isinstance(deeper(calls, MAX_DEPTH - 1), Search)
        assert deeper(calls, MAX_DEPTH) == Skip(Why.UNREADABLE)


@pytest.mark.parametrize(("size", "expected"), [(1_000_000, None), (1_000_001, Why.TOO_COMPLEX)])
def test_a_body_that_may_name_a_reranker_has_at_most_a_megabyte(size: int, expected: Why | None) -> None:
    found = decoded(b'{"query":{"match":{"title":"rerank"}}}'.ljust(size))
    assert (found.why if isinstance(found, Skip) else None) is expected
    assert isinstance(decoded(b'{"query":{"match":{"title":"hose"}}}'.ljust(size)), Search)


@pytest.mark.parametrize(
    ("body", "without_reranker"), [(NATIVE, True), (b'{"query":{"match":{"title":"rerank"}}}', False), (b"{}", False)]
)
def test_a_search_shows_whether_a_reranker_was_removed_from_it(body: bytes, without_reranker: bool) -> None:
    found = decoded(body, {"X-Rerank-Query": "hose"})
    assert isinstance(found, Search)
    assert (found.without_reranker, found.from_template) == (without_reranker, False)


@pytest.mark.parametrize(("objects", "expected"), [(3, None), (2, Why.TOO_COMPLEX)])
def test_a_search_is_decoded_within_its_budget(objects: int, expected: Why | None) -> None:
    parsed = ParsedSearch(
        "docs", {}, b'{"query":{"match":{}}}', budget=PlanningBudget(objects=objects, values=3, arrays=3)
    )
    found = decode(EndpointRequest("docs"), parsed)
    assert (found.why if isinstance(found, Skip) else None) is expected
    assert isinstance(found, Skip) or found.budget is parsed.budget
