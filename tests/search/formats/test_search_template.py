from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.formats.search_template import inline, rendered, request_params
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
def test_a_rendered_search_keeps_its_bytes(answer: bytes, template: bytes, expected: bytes) -> None:
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
def test_explain_and_profile_of_the_template_request_take_precedence(
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
def test_a_response_without_a_search_body_is_none(answer: bytes, template: bytes) -> None:
    assert rendered(answer, template) is None


@pytest.mark.parametrize("template", [b"", b"[]", b"no json", DEEP])
def test_a_request_that_is_no_template_is_none(template: bytes) -> None:
    assert rendered(b'{"template_output":{}}', template) is None


def test_a_search_is_put_into_a_template_unchanged() -> None:
    search = '{"query":{"match":{"a":"{{x}} \\" <b> é"}},"explain":true,"n":1.50}'
    template = json.loads(inline(search.encode()))
    assert template == {"source": "{{{search}}}", "params": {"search": search}, "explain": True}


@pytest.mark.parametrize("switches", [{}, {"explain": True}, {"profile": True}, {"explain": True, "profile": True}])
def test_a_search_that_was_put_into_a_template_is_rendered_again(switches: dict[str, bool]) -> None:
    search = b'{"n":1.50}'
    body = rendered(b'{"template_output":' + search + b"}", json.dumps(switches).encode())
    assert body is not None
    template = json.loads(inline(body))
    assert rendered(b'{"template_output":' + template["params"]["search"].encode() + b"}", inline(body)) == body


def test_parameters_of_a_search_do_not_apply_to_a_template() -> None:
    assert request_params({"size": "3", "q": "x", "scroll": "1m", "filter_path": "took"}) == {
        "scroll": "1m",
        "filter_path": "took",
    }


OBJECTS = st.dictionaries(st.text(max_size=8), JSON, max_size=4).map(lambda value: json.dumps(value).encode())


def test_any_bytes_are_rendered_or_none() -> None:
    outputs: list[bytes | None] = []

    @given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | OBJECTS, st.binary() | OBJECTS)
    def check(text: bytes, template: bytes) -> None:
        rendered(text, template)
        rendered(b'{"template_output":{}}', text)
        outputs.append(rendered(b'{"template_output":' + text + b"}", template))
        assert outputs[-1] is None or isinstance(json.loads(outputs[-1]), dict)

    check()
    assert None in outputs
    assert any(output is not None for output in outputs)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_every_search_can_be_put_into_a_template(search: dict[str, Any]) -> None:
    text = json.dumps(search).encode()
    assert json.loads(inline(text))["params"] == {"search": text.decode()}
