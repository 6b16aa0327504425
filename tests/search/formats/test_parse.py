from __future__ import annotations

from collections.abc import Sequence

import pytest

from es_rerank.compat.endpoints import rows
from es_rerank.model import Skip, Why
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, MULTI_REQUESTS
from es_rerank.search.formats.endpoints import (
    ENDPOINTS,
    MAX_QUERY_STRING,
    Endpoint,
    EndpointRequest,
    ParsedSearch,
    Role,
    match,
)
from es_rerank.search.formats.parse import PARSERS, parse
from es_rerank.server.handlers import HANDLERS

QUERY = b'{"query":{"match":{"title":"hose"}}}'
RATED = b'{"requests":[{"id":"a","request":%b,"ratings":[]}],"metric":{"recall":{"k":3}}}' % QUERY
# A request per row of ENDPOINTS, and the searches in it.
CASES: Sequence[tuple[str, bytes, Sequence[ParsedSearch] | Skip]] = [
    ("POST /docs/_search?size=3", QUERY + b"\n", [ParsedSearch("docs", {"size": "3"}, QUERY)]),
    (
        "GET /_search/template?scroll=1m&size=3",
        b'{"id":"t"}',
        [ParsedSearch("", {"scroll": "1m"}, b'{"id":"t"}', template=b'{"id":"t"}')],
    ),
    (
        "POST /docs/_msearch?ignore_unavailable=true&typed_keys",
        b'{}\n%b\n{"index":"other"}\n{}\n' % QUERY,
        [
            ParsedSearch("docs", {"ignore_unavailable": "true"}, QUERY, header=b"{}"),
            ParsedSearch("other", {"ignore_unavailable": "true"}, b"{}", header=b'{"index":"other"}'),
        ],
    ),
    (
        "POST /_msearch/template",
        b'{"index":"a"}\n{"id":"t"}\n',
        [ParsedSearch("a", {}, b'{"id":"t"}', template=b'{"id":"t"}', header=b'{"index":"a"}')],
    ),
    ("POST /docs/_async_search?keep_alive=1m", QUERY, [ParsedSearch("docs", {"keep_alive": "1m"}, QUERY)]),
    (
        "POST /_plugins/_asynchronous_search?index=a,b",
        QUERY,
        [ParsedSearch("a,b", {"index": "a,b"}, QUERY)],
    ),
    ("GET /_async_search/Fm", b"", Skip(Why.NOT_A_SEARCH)),
    ("GET /_async_search/status/Fm", b"", Skip(Why.NOT_A_SEARCH)),
    ("DELETE /_opendistro/_asynchronous_search/Fm", b"", Skip(Why.NOT_A_SEARCH)),
    ("POST /docs/_rank_eval?pretty", RATED, [ParsedSearch("docs", {"pretty": "", "size": "3"}, QUERY)]),
    ("POST /_inference/rerank/mine", b'{"query":"q","input":["a"]}', Skip(Why.NOT_A_SEARCH)),
]


def request(request_line: str) -> EndpointRequest:
    method, _, path = request_line.partition(" ")
    found = match(method, path, {})
    assert found is not None
    return found


@pytest.mark.parametrize(("request_line", "body", "expected"), CASES)
def test_a_request_is_parsed_into_its_searches(
    request_line: str, body: bytes, expected: Sequence[ParsedSearch] | Skip
) -> None:
    assert parse(request(request_line), body) == expected


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.path.pattern)
def test_every_row_has_a_case(row: object) -> None:
    matched = [
        next(row for row in ENDPOINTS if method in row.methods and row.path.match(target.partition("?")[0]))
        for method, _, target in (request_line.partition(" ") for request_line, _, _ in CASES)
    ]
    assert row in matched


@pytest.mark.parametrize("request_line", [line for line, _, expected in CASES if not isinstance(expected, Skip)])
def test_a_body_in_another_format_is_skipped(request_line: str) -> None:
    method, _, path = request_line.partition(" ")
    found = match(method, path, {"Content-Type": "application/cbor"})
    assert found is not None
    assert parse(found, b"\xbf\xff") == Skip(Why.FORMAT)


@pytest.mark.parametrize(
    ("request_line", "body", "why"),
    [
        ("POST /_msearch", b"{}\n", Why.UNREADABLE),
        ("POST /_msearch/template", b"{}\n", Why.UNREADABLE),
        ("POST /_rank_eval", b"{}", Why.UNREADABLE),
        ("POST /_msearch", b"{}\n" * 2002, Why.TOO_LARGE),
    ],
)
def test_a_request_that_the_engine_refuses_is_skipped(request_line: str, body: bytes, why: Why) -> None:
    assert parse(request(request_line), body) == Skip(why)


def test_a_body_in_the_url_is_parsed_like_a_body() -> None:
    search = "source=%7B%22size%22%3A1%7D&source_content_type=application/json"
    parsed = parse(request(f"GET /docs/_search?{search}"), b"")
    rendered = parse(request(f"GET /docs/_search/template?{search}"), b"")
    assert not isinstance(parsed, Skip)
    assert not isinstance(rendered, Skip)
    assert (parsed[0].body, rendered[0].template) == (b'{"size":1}', b'{"size":1}')


def test_every_endpoint_that_carries_searches_is_parsed_and_asked_of_the_engine() -> None:
    carrying = {row.endpoint for row in ENDPOINTS if row.role is Role.SEARCHES}
    assert set(PARSERS) == carrying
    assert set(ENGINE_REQUESTS) == carrying
    assert set(MULTI_REQUESTS) == {Endpoint.MULTI_SEARCH, Endpoint.MULTI_SEARCH_TEMPLATE, Endpoint.RANK_EVAL}


def test_every_endpoint_has_one_handler() -> None:
    assert set(HANDLERS) == set(Endpoint)


def test_endpoints_whose_responses_are_rewritten_are_optional() -> None:
    compat = rows(sniffing=True, emulation=True)
    assert {row.role for row in compat} == {Role.COMPAT}
    assert {row.endpoint for row in compat} == set(Endpoint) - {row.endpoint for row in ENDPOINTS}


@pytest.mark.parametrize(("length", "why"), [(MAX_QUERY_STRING, None), (MAX_QUERY_STRING + 1, Why.TOO_COMPLEX)])
def test_a_long_query_string_is_not_decoded(length: int, why: Why | None) -> None:
    request = EndpointRequest("docs", "q=hose&x=".ljust(length, "a"))
    parsed = parse(request, b"")
    assert (parsed.why if isinstance(parsed, Skip) else None) is why
