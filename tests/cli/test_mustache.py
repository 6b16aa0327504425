from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from es_rerank.cli import mustache
from es_rerank.cli.mustache import can_render, render
from tests.search.strategies import JSON


def rendered(source: Any, **params: Any) -> bytes | None:
    return render(json.dumps({"source": source, "params": params}).encode())


@pytest.mark.parametrize(
    ("source", "params", "expected"),
    [
        ('{"a":"{{x}}"}', {"x": 'say "no" & <go>\n'}, b'{"a":"say \\"no\\" & <go>\\n"}'),
        ('{"a":"{{x.y}}"}', {"x": {"y": "z"}}, b'{"a":"z"}'),
        ('{"a":"{{gone}}"}', {}, b'{"a":""}'),
        ('{"a":{{#toJson}}x{{/toJson}}}', {"x": ["b", 1]}, b'{"a":["b",1]}'),
        ('{"a":"{{#join}}x{{/join}}"}', {"x": ["b", "c"]}, b'{"a":"b,c"}'),
        ('{"a":"{{#url}}{{x}}/{{/url}}"}', {"x": "b c"}, b'{"a":"b%20c%2F"}'),
        ('{"size":{{size}}{{^size}}10{{/size}}}', {}, b'{"size":10}'),
        ('{{#on}}{"a":1}{{/on}}', {"on": True}, b'{"a":1}'),
        ({"a": "{{x}}", "n": 1}, {"x": "b"}, b'{"a":"b","n":1}'),
    ],
)
def test_templates(source: Any, params: dict[str, Any], expected: bytes) -> None:
    assert rendered(source, **params) == expected


@pytest.mark.parametrize(
    "template", [b'{"id":"stored"}', b"[]", b"{", b'{"source":"{{/a}}"}', b'{"source":"","params":[]}']
)
def test_stored_and_invalid_templates_are_not_rendered(template: bytes) -> None:
    assert render(template) is None


@given(JSON)
def test_any_template_is_rendered_or_none(template: Any) -> None:
    render(json.dumps(template).encode())
    rendered(template, x=template)


def test_rendering_needs_pystache(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_render()
    monkeypatch.setattr(mustache.importlib.util, "find_spec", lambda _: None)
    assert not can_render()
