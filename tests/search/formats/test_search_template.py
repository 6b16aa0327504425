from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.formats.search_template import inline, rendered, said
from tests.search.strategies import JSON

DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    ("answer", "template", "expected"),
    [
        (b'{"template_output":{"n": 1.50}}', b'{"id":"t"}', b'{"n": 1.50}'),
        (b'{\n  "template_output" : { "n" : 123456789012345678901 }\n}', b"{}", b'{ "n" : 123456789012345678901 }'),
        (
            b'{"template_output":{\n "query": {"match": {"a": "\\n"}}\n}}',
            b"{}",
            b'{\n "query": {"match": {"a": "\\n"}}\n}',
        ),
        (b'{"template_output":{}}', b"{}", b"{}"),
    ],
)
def test_what_a_template_renders_to_keeps_its_bytes(answer: bytes, template: bytes, expected: bytes) -> None:
    assert rendered(answer, template) == expected


@pytest.mark.parametrize(
    ("output", "template", "expected"),
    [
        (b'{"n":1.50}', b'{"explain":true,"profile":false}', b'{"n":1.50,"explain":true}'),
        (b'{"n":1.50}', b'{"explain":"true","profile":"true"}', b'{"n":1.50,"explain":"true","profile":"true"}'),
        (b'{"n":1.50}', b'{"explain":"false","profile":null}', b'{"n":1.50}'),
        (b'{"explain":false,"n":1.50}', b'{"explain":true}', b'{"n":1.50,"explain":true}'),
        (b'{"explain":true,"n":1.50}', b"{}", b'{"n":1.50}'),
        (b'{"profile":true,"n":1.50}', b'{"profile":false}', b'{"n":1.50}'),
    ],
)
def test_the_template_request_says_whether_to_explain_and_to_profile(
    output: bytes, template: bytes, expected: bytes
) -> None:
    assert rendered(b'{"template_output":' + output + b"}", template) == expected


@pytest.mark.parametrize(
    "answer",
    [
        b'{"error":{"root_cause":[],"type":"resource_not_found_exception"},"status":404}',
        b'{"template_output":[]}',
        b'{"template_output":"x"}',
        b'{"template_output":no json}',
        b'{"template_output":{"a":"\n"}}',
        b'{"template_output":{"size":1} {"size":2}}',
        b'{"template_output":{"size":1},"size":2}',
        b'{"template_output":{},"template_output":{"size":2}}',
        b'{"template_output":{"size":1,"size":2}}',
        b'{"template_output":{"a":' + DEEP + b"}}",
        b"{}",
        b"[]",
        b"",
    ],
)
@pytest.mark.parametrize("template", [b"{}", b'{"explain":true}'])
def test_what_is_no_search_body_is_none(answer: bytes, template: bytes) -> None:
    assert rendered(answer, template) is None


@pytest.mark.parametrize("template", [b"", b"[]", b"no json", DEEP])
def test_a_request_that_is_no_template_is_none(template: bytes) -> None:
    assert rendered(b'{"template_output":{}}', template) is None


def test_a_search_stands_in_a_template_as_it_is() -> None:
    search = '{"query":{"match":{"a":"{{x}} \\" <b> é"}},"explain":true,"n":1.50}'
    asked = json.loads(inline(search.encode()))
    assert asked == {"source": "{{{search}}}", "params": {"search": search}, "explain": True}


@pytest.mark.parametrize("switches", [{}, {"explain": True}, {"profile": True}, {"explain": True, "profile": True}])
def test_what_is_put_into_a_template_comes_out_of_it_again(switches: dict[str, bool]) -> None:
    search = b'{"n":1.50}'
    asked = rendered(b'{"template_output":' + search + b"}", json.dumps(switches).encode())
    assert asked is not None
    again = json.loads(inline(asked))
    assert rendered(b'{"template_output":' + again["params"]["search"].encode() + b"}", inline(asked)) == asked


def test_only_what_the_url_says_of_the_request_counts() -> None:
    assert said({"size": "3", "q": "x", "scroll": "1m", "filter_path": "took"}) == {
        "scroll": "1m",
        "filter_path": "took",
    }


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.binary())
def test_no_bytes_are_an_error(text: bytes, template: bytes) -> None:
    rendered(text, template)
    rendered(b'{"template_output":' + text + b"}", b"{}")
    rendered(b'{"template_output":{}}', text)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_every_search_can_be_put_into_a_template(search: dict[str, Any]) -> None:
    text = json.dumps(search).encode()
    assert json.loads(inline(text))["params"] == {"search": text.decode()}
