from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.formats.multi_search import Item, options, read, responses, write
from es_rerank.search.response import hits
from tests.search.strategies import JSON

DEEP = b"[" * 5000 + b"]" * 5000


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
def test_lines(body: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert read(body, "docs") == [Item(header, "docs", {}, text) for header, text in expected]


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
    assert read(header + b"\n{}\n", "docs") == [Item(header, target, {}, b"{}")]


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
    items = read(json.dumps(header).encode() + b"\n{}\n", "docs") or ()
    assert [(item.target, item.options) for item in items] == [("docs", options)]


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
def test_what_is_not_understood_is_left_to_the_engine(body: bytes) -> None:
    assert read(body, "docs") is None


def test_what_is_written_is_a_line_each() -> None:
    assert write([(b"{}", b'{\n "a": "b\\n",\r\n "n": 1.50\n}'), (b"{ }", b"{}")]) == (
        b'{}\n{  "a": "b\\n",\r  "n": 1.50 }\n{ }\n{}\n'
    )
    assert write([]) == b""


def test_a_blank_header_is_written_as_one_that_no_engine_skips() -> None:
    items = read(b"\r\n{}\r\n", "docs") or []
    assert write([(item.header, item.body) for item in items]) == b"{}\n{}\n"


ANSWER = b"""{
  "took" : 3,
  "responses" : [
    {"n":1.50,"status":200},
    {"error":{},"status":404}, {"n":1.50,"status":200}
  ]
}
"""


def test_elements_are_replaced_in_their_places() -> None:
    found = responses(ANSWER)
    assert found is not None
    assert found.elements == (b'{"n":1.50,"status":200}', b'{"error":{},"status":404}', b'{"n":1.50,"status":200}')
    assert found.joined({}) == ANSWER
    assert found.joined({2: b"[]", 1: b"{}"}) == (
        b'{\n  "took" : 3,\n  "responses" : [\n    {"n":1.50,"status":200},\n    {}, []\n  ]\n}\n'
    )


def test_an_element_is_a_search_answer() -> None:
    found = responses(
        b'{"took":1,"responses":[{"took":1,"hits":{"max_score":1.50,"hits":[{"_score":1.50}]},"status":200}]}'
    )
    assert found is not None
    whole = hits.read(found.whole(0) or b"")
    assert [hit.raw for hit in whole.hits] == [b'{"_score":1.50}']


@pytest.mark.parametrize(
    ("element", "whole"),
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
def test_errors_are_no_whole_answers(element: bytes, whole: bool) -> None:
    found = responses(b'{"responses":[' + element + b"]}")
    assert found is not None
    assert found.whole(0) == (element if whole else None)


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
def test_anything_else_is_no_answer(answer: bytes) -> None:
    assert responses(answer) is None


OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


@given(
    st.lists(st.tuples(OBJECTS, OBJECTS, st.sampled_from([None, 1])), min_size=1, max_size=5),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_what_is_written_is_read_again(pairs: list[tuple[Any, Any, int | None]], end: bytes) -> None:
    lines = [(json.dumps(one).encode(), json.dumps(other, indent=indent).encode()) for one, other, indent in pairs]
    found = read(write(lines).replace(b"\n", end), "x")
    assert found is not None
    assert [json.loads(item.header) for item in found] == [header for header, _, _ in pairs]
    assert [json.loads(item.body) for item in found] == [body for _, body, _ in pairs]


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 0, 3]), st.data())
def test_nothing_but_what_is_replaced_changes(values: list[Any], indent: int | None, data: st.DataObject) -> None:
    answer = json.dumps({"took": 1, "responses": values, "x": "[]"}, indent=indent).encode()
    found = responses(answer)
    assert found is not None
    assert found.joined({}) == answer
    places = data.draw(st.sets(st.integers(0, len(values) - 1))) if values else set()
    joined = msgspec.json.decode(found.joined(dict.fromkeys(places, b'"new"')))
    assert joined["responses"] == ["new" if at in places else value for at, value in enumerate(values)]


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_are_an_error(text: bytes) -> None:
    read(text, "")
    read(text + b"\n{}\n", "")
    read(b"{}\n" + text + b"\n", "")
    read(b'{"index":' + text + b',"routing":' + text + b"}\n{}\n", "")
    found = responses(b'{"responses":[' + text + b"]}")
    for at in range(len(found.elements) if found else 0):
        assert found
        found.whole(at)
        found.joined({at: b"{}"})


def test_the_header_stands_above_the_url() -> None:
    item = Item(b"{}", "docs", {"allow_no_indices": "false"}, b"{}")
    url = {"allow_no_indices": "true", "ignore_unavailable": "true", "typed_keys": "true"}
    assert options(item, url) == {"allow_no_indices": "false", "ignore_unavailable": "true"}
