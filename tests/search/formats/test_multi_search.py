from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.jsonspan.repair import MAX_BYTES_WITH_COMMENTS
from es_rerank.model import DEFAULT_BUDGET, Skip, Why
from es_rerank.search.formats.endpoints import MAX_SEARCHES, ParsedSearch
from es_rerank.search.formats.multi_search import read, responses, write
from es_rerank.search.response import hits
from tests.search.strategies import JSON

DEEP = b"[" * 5000 + b"]" * 5000


def searches(
    body: bytes, params: Mapping[str, str] | None = None, *, templates: bool = False
) -> Sequence[ParsedSearch]:
    """Return the searches of a request to `/docs/_msearch` that can be read."""
    found = read(body, "docs", params or {}, templates=templates)
    assert not isinstance(found, Skip)
    return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{}\n{"size":1}\n', [(b"{}", b'{"size":1}')]),
        (b'{ }\r\n{"a": 1}\t\r\n', [(b"{ }", b'{"a": 1}\t')]),
        (b'\r\n{"n":1.50}\r\n', [(b"{}", b'{"n":1.50}')]),
        (b' \t\n{"n":1.50}\n', [(b"{}", b'{"n":1.50}')]),
        (b'{}\n{"n":123456789012345678901234567890}\n', [(b"{}", b'{"n":123456789012345678901234567890}')]),
        (b'{}\n{"n":1}\n\n{"n":2}\n', [(b"{}", b'{"n":1}'), (b"{}", b'{"n":2}')]),
        (b"{}\n{}\n\n", [(b"{}", b"{}")]),
        (b"{}\r\n{}\r\n\r\n", [(b"{}", b"{}")]),
        (b"{}\n{}\n \n", [(b"{}", b"{}")]),
    ],
)
def test_each_search_is_a_header_line_and_a_body_line(body: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert searches(body) == [ParsedSearch("docs", {}, text, header=header) for header, text in expected]
    assert searches(body, templates=True) == [ParsedSearch("docs", {}, text, text, header) for header, text in expected]


@pytest.mark.parametrize(
    ("header", "target"),
    [
        (b"{}", "docs"),
        (b'{"index":"a"}', "a"),
        (b'{"indices":"a,-b*"}', "a,-b*"),
        (b'{"index":["a","b*"]}', "a,b*"),
        (b'{"index":"<logs-{now/d}>"}', "<logs-{now/d}>"),
        (b'{"index":"%61 b"}', "%61 b"),
        # Both mean every index, whatever the URL says.
        (b'{"index":""}', ""),
        (b'{"index":[]}', ""),
    ],
)
def test_a_header_names_the_indices(header: bytes, target: str) -> None:
    assert searches(header + b"\n{}\n") == [ParsedSearch(target, {}, b"{}", header=header)]


@pytest.mark.parametrize(
    ("header", "options"),
    [
        (
            {"ignore_unavailable": True, "allow_no_indices": "false"},
            {"ignore_unavailable": "true", "allow_no_indices": "false"},
        ),
        ({"ignoreUnavailable": True, "searchType": "x"}, {"ignore_unavailable": "true", "search_type": "x"}),
        ({"expand_wildcards": ["open", "hidden"]}, {"expand_wildcards": "open,hidden"}),
        ({"expandWildcards": "open,hidden"}, {"expand_wildcards": "open,hidden"}),
        (
            {"preference": "_local", "routing": 7, "request_cache": False},
            {"preference": "_local", "routing": "7", "request_cache": "false"},
        ),
        (
            {"allow_partial_search_results": True, "ccs_minimize_roundtrips": True},
            {"allow_partial_search_results": "true", "ccs_minimize_roundtrips": "true"},
        ),
        ({"ignore_unavailable": None, "routing": None}, {}),
        # An engine that does not refuse these does not take them for what a URL says.
        ({"sort": "date", "size": 0, "q": "x", "scroll": "1m", "type": "book"}, {}),
    ],
)
def test_a_header_has_options(header: Mapping[str, Any], options: Mapping[str, str]) -> None:
    (search,) = searches(json.dumps(header).encode() + b"\n{}\n")
    assert (search.target, search.params) == ("docs", options)


def test_options_of_the_header_take_precedence_over_the_url() -> None:
    url = {"allow_no_indices": "true", "ignore_unavailable": "true", "typed_keys": "true"}
    (search,) = searches(b'{"allow_no_indices":"false"}\n{}\n', url)
    assert search.params == {"allow_no_indices": "false", "ignore_unavailable": "true"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"\r\n",
        b'{}\n{"size":1}',
        b"{}\n",
        b"{}\n{}\n{}\n",
        b"{}\n{}\n\n\n",
        b"{}\r\n{}\r\n\r\n\r\n",
        b"{}\n\n{}\n{}\n",
        # One engine skips an empty first line, another takes it for a header.
        b"\n{}\n",
        b"\n{}\n{}\n",
        b"\n\n{}\n",
        b"[]\n{}\n",
        b"{} x\n{}\n",
        b'{"index":"a","index":"b"}\n{}\n',
        b'{"index":"a","indices":"b"}\n{}\n',
        b'{"index":null}\n{}\n',
        b'{"index":[null]}\n{}\n',
        b'{"index":[""]}\n{}\n',
        b'{"index":["a,b"]}\n{}\n',
        b'{"index":5}\n{}\n',
        b'{"index":{}}\n{}\n',
        b"{}\n[]\n",
        b"{}\n{\n",
        b"{}\n{} {}\n",
        b'{}\n{"a":\x0b1}\n',
        b"{}\n" + DEEP + b"\n",
        b'{"index":' + DEEP + b"}\n{}\n",
    ],
)
def test_a_request_that_is_not_understood_is_left_to_the_engine(body: bytes) -> None:
    assert read(body, "docs", {}) == Skip(Why.UNREADABLE)


@pytest.mark.parametrize("more", [b"", b"\n", b"{}\n"])
def test_a_request_has_at_most_a_thousand_searches(more: bytes) -> None:
    most = b"{}\n{}\n" * MAX_SEARCHES
    assert len(searches(most)) == len(searches(most + b"\n")) == 1000
    assert read(most + b"{}\n" + more, "docs", {}) == Skip(Why.TOO_LARGE if more else Why.UNREADABLE)


def test_headers_and_bodies_are_written_as_lines() -> None:
    assert write([(b"{}", b'{\n "a": "b\\n",\r\n "n": 1.50\n}'), (b"{ }", b"{}")]) == (
        b'{}\n{  "a": "b\\n",\r  "n": 1.50 }\n{ }\n{}\n'
    )
    assert write([]) == b""


def test_a_blank_header_is_written_as_one_that_no_engine_skips() -> None:
    lines = [(search.header or b"", search.body) for search in searches(b"\r\n{}\r\n")]
    assert write(lines) == b"{}\n{}\n"


ANSWER = b"""{
  "took" : 3,
  "responses" : [
    {"n":1.50,"status":200},
    {"error":{},"status":404}, {"n":1.50,"status":200}
  ]
}
"""


def test_responses_are_replaced_in_their_places() -> None:
    found = responses(ANSWER)
    assert found is not None
    each = [b'{"n":1.50,"status":200}', b'{"error":{},"status":404}', b'{"n":1.50,"status":200}']
    assert [found.response(index) for index in range(len(found.responses))] == each
    assert found.with_responses({}) == ANSWER
    assert found.with_responses({2: b"[]", 1: b"{}"}) == (
        b'{\n  "took" : 3,\n  "responses" : [\n    {"n":1.50,"status":200},\n    {}, []\n  ]\n}\n'
    )


def test_each_response_is_a_search_response() -> None:
    found = responses(
        b'{"took":1,"responses":[{"took":1,"hits":{"max_score":1.50,"hits":[{"_score":1.50}]},"status":200}]}'
    )
    assert found is not None
    response = hits.read(found.success(0) or b"")
    assert [hit.raw for hit in response.hits] == [b'{"_score":1.50}']


@pytest.mark.parametrize(
    ("response", "success"),
    [
        (b'{"status":200}', True),
        (b'{ "hits" : {} }', True),
        (b"{}", True),
        (b'{"status":404}', False),
        (b'{"status":"200"}', False),
        (b'{"status":null}', False),
        (b'{"error":{}}', False),
        (b"[]", False),
        (b"null", False),
        (b'{"status":200,"status":200}', False),
    ],
)
def test_an_error_is_no_success(response: bytes, success: bool) -> None:
    found = responses(b'{"responses":[' + response + b"]}")
    assert found is not None
    assert found.success(0) == (response if success else None)


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b"[]",
        b"",
        b'{"responses":{}}',
        b'{"responses":[',
        b'{"responses":null}',
        b'{"responses":[],"responses":[{}]}',
        b'{"responses":[' + DEEP + b"]}",
    ],
)
def test_any_other_body_has_no_responses(answer: bytes) -> None:
    assert responses(answer) is None


OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


@given(
    st.lists(st.tuples(OBJECTS, OBJECTS, st.sampled_from([None, 1])), min_size=1, max_size=5),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_written_searches_are_read_again(pairs: list[tuple[Any, Any, int | None]], end: bytes) -> None:
    lines = [(json.dumps(one).encode(), json.dumps(other, indent=indent).encode()) for one, other, indent in pairs]
    found = searches(write(lines).replace(b"\n", end))
    assert [json.loads(search.header or b"") for search in found] == [header for header, _, _ in pairs]
    assert [json.loads(search.body) for search in found] == [body for _, body, _ in pairs]


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 0, 3]), st.data())
def test_only_replaced_responses_change(values: list[Any], indent: int | None, data: st.DataObject) -> None:
    answer = json.dumps({"took": 1, "responses": values, "x": "[]"}, indent=indent).encode()
    found = responses(answer)
    assert found is not None
    assert found.with_responses({}) == answer
    places = data.draw(st.sets(st.integers(0, len(values) - 1))) if values else set()
    joined = msgspec.json.decode(found.with_responses(dict.fromkeys(places, b'"new"')))
    assert joined["responses"] == ["new" if at in places else value for at, value in enumerate(values)]


LINES = (
    st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | OBJECTS.map(lambda one: json.dumps(one).encode())
)


def test_any_bytes_are_searches_or_left_to_the_engine() -> None:
    counts: list[int] = []
    successes: list[bytes | None] = []

    @given(LINES, LINES)
    def check(text: bytes, other: bytes) -> None:
        for body in (text, text + b"\n{}\n", b"{}\n" + text + b"\n", text + b"\n" + other + b"\n"):
            found = read(body, "", {})
            counts.append(0 if isinstance(found, Skip) else len(found))
        read(b'{"index":' + text + b',"routing":' + text + b"}\n{}\n", "", {})
        answer = responses(b'{"responses":[' + text + b"]}")
        for index in range(len(answer.responses) if answer else 0):
            assert answer
            successes.append(answer.success(index))
            answer.with_responses({index: b"{}"})

    check()
    assert any(counts)
    assert 0 in counts
    assert None in successes
    assert any(successes)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_searches_of_a_request_share_the_budget(count: int) -> None:
    assert {search.budget for search in searches(b"{}\n{}\n" * count)} == {DEFAULT_BUDGET.shared(count)}


def test_headers_are_read_within_the_budget_and_bodies_later() -> None:
    large = b'{"routing":[' + b"1," * DEFAULT_BUDGET.values + b"1]}"
    assert read(large + b"\n{}\n", "docs", {}) == Skip(Why.TOO_COMPLEX)
    assert read(b"{}\n{}\n" + large + b"\n{}\n", "docs", {}) == Skip(Why.TOO_COMPLEX)
    assert [search.body for search in searches(b"{}\n" + large + b"\n{}\n{}\n")] == [large, b"{}"]


@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)])
def test_comments_are_removed_from_requests_of_a_limited_size(more: int, is_read: bool) -> None:
    body = b'/* a */{"index":"a"}\n{"size":1} // b\n'
    body = body.replace(b"// b", b"// b".ljust(MAX_BYTES_WITH_COMMENTS - len(body) + 4 + more, b"b"))
    assert len(body) == MAX_BYTES_WITH_COMMENTS + more
    found = read(body, "docs", {})
    assert (found == Skip(Why.UNREADABLE)) is not is_read
    if is_read:
        assert [(one.target, json.loads(one.body)) for one in searches(body)] == [("a", {"size": 1})]


def test_lines_are_searches_unless_they_are_said_to_be_templates() -> None:
    assert read(b'{}\n{"size":1}\n', "docs", {}) == [ParsedSearch("docs", {}, b'{"size":1}', header=b"{}")]
