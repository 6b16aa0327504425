from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from es_rerank.cli.mapping_file import read
from es_rerank.errors import ConfigError
from tests.search.strategies import JSON

TITLE = {"title": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}
TYPES = {"title": "text", "title.raw": "keyword"}


@pytest.mark.parametrize(
    ("mapping", "names", "field_types"),
    [
        ({"a": {"mappings": {"properties": TITLE}}}, ("a",), TYPES),
        ({"a": {"mappings": {"_doc": {"properties": TITLE}}}}, ("a",), TYPES),
        ({"a": {"mappings": {"book": {"dynamic": "strict", "properties": TITLE}}}}, ("a",), TYPES),
        ({"a": {"aliases": {}, "mappings": {"properties": TITLE}, "settings": {"index": {}}}}, ("a",), TYPES),
        ({"a": {"properties": TITLE}}, ("a",), TYPES),
        ({"mappings": {"properties": TITLE}}, (), TYPES),
        ({"mappings": {"book": {"properties": TITLE}}}, (), TYPES),
        ({"settings": {}, "mappings": {"dynamic": "strict", "properties": TITLE}}, (), TYPES),
        ({"properties": TITLE}, (), TYPES),
        ({"a": {"mappings": {}}}, ("a",), {}),
        ({"a": {"mappings": {"dynamic": "strict", "_source": {"enabled": False}}}}, ("a",), {}),
        ({"a": {"mappings": {"_meta": {"properties": TITLE}, "dynamic_templates": [{}]}}}, ("a",), {}),
        ({}, (), {}),
    ],
)
def test_mappings(mapping: Any, names: tuple[str, ...], field_types: dict[str, str]) -> None:
    assert read(json.dumps(mapping).encode()) == (names, field_types)


@pytest.mark.parametrize(
    ("properties", "field_types"),
    [
        (
            {"shelf": {"properties": {"note": {"type": "text"}}}, "said": {"type": "nested"}},
            {"shelf": "object", "shelf.note": "text", "said": "nested"},
        ),
        (
            {"a": {"type": "nested", "properties": {"b": {"properties": TITLE}}}},
            {"a": "nested", "a.b": "object", "a.b.title": "text", "a.b.title.raw": "keyword"},
        ),
        ({"a.b": {"type": "long"}, "properties": {"type": "text"}}, {"a.b": "long", "properties": "text"}),
        ({"type": {"properties": {"type": {"type": "keyword"}}}}, {"type": "object", "type.type": "keyword"}),
        (
            {"extra": {"type": "passthrough", "properties": {"x": {"type": "text"}}}},
            {"extra": "object", "extra.x": "text"},
        ),
        ({"body": {"type": "semantic_text", "inference_id": "x"}}, {"body": "semantic_text"}),
        (
            {"t": {"type": "text"}, "u": {"type": "alias", "path": "t"}, "v": {"type": "alias"}},
            {"t": "text", "u": "text", "v": "alias"},
        ),
        (
            {"far": {"type": "alias", "path": "o.t.raw"}, "o": {"properties": {"t": TITLE["title"]}}},
            {"far": "keyword", "o": "object", "o.t": "text", "o.t.raw": "keyword"},
        ),
        (
            {"round": {"type": "alias", "path": "round"}, "odd": {"type": "alias", "path": []}},
            dict.fromkeys(("round", "odd"), "alias"),
        ),
    ],
)
def test_types_of_fields(properties: Any, field_types: dict[str, str]) -> None:
    assert read(json.dumps({"properties": properties}).encode())[1] == field_types


def test_a_runtime_field_shadows_a_mapped_field() -> None:
    mapping = {
        "runtime": {
            "title": {"type": "keyword"},
            "properties": {"type": "long"},
            "both": {"type": "composite", "fields": {"x": {"type": "ip"}}},
        },
        "properties": {**TITLE, "other": {"type": "alias", "path": "title"}},
    }
    assert read(json.dumps({"a": {"mappings": mapping}}).encode())[1] == {
        "title": "keyword",
        "title.raw": "keyword",
        "other": "text",
        "properties": "long",
        "both": "composite",
        "both.x": "ip",
    }
    only = {"a": {"mappings": {"runtime": {"properties": {"type": "long"}}}}}
    assert read(json.dumps(only).encode())[1] == {"properties": "long"}


def test_mapping_types_of_old_indices_are_merged() -> None:
    types = {"book": {"properties": TITLE}, "film": {"properties": {"length": {"type": "long"}}}, "_default_": {}}
    assert read(json.dumps({"a": {"mappings": types}}).encode()) == (("a",), {**TYPES, "length": "long"})


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_field_that_is_text_in_one_index_is_text(order: tuple[str, ...]) -> None:
    indices = {
        "a": {"mappings": {"properties": {"x": {"type": "keyword"}, "y": {"type": "text"}, "z": {"type": "long"}}}},
        "b": {"mappings": {"properties": {"x": {"type": "text"}, "y": {"type": "keyword"}}}},
    }
    names, field_types = read(json.dumps({name: indices[name] for name in order}).encode())
    assert (names, field_types) == (order, {"x": "text", "y": "text", "z": "long"})


def test_an_alias_refers_to_a_field_of_its_own_index() -> None:
    def index(kind: str) -> Any:
        return {"mappings": {"properties": {"t": {"type": kind}, "u": {"type": "alias", "path": "t"}}}}

    assert read(json.dumps({"a": index("long"), "b": index("text")}).encode())[1] == {"t": "text", "u": "text"}
    assert read(json.dumps({"a": index("long"), "b": index("ip")}).encode())[1] == {"t": "long", "u": "long"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"properties: {}", "not a JSON object"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "not a JSON object"),
        (b'{"a":{"mappings":{"properties":[]}}}', "a: `properties` is not an object"),
        (b'{"a":{"mappings":[]}}', "a: there is no `mappings`"),
        (b'{"error":{"type":"security_exception"},"status":403}', "error: there is no `mappings`"),
        (b'{"mappings":1}', "there is no `mappings`"),
        (b'{"properties":null}', "`properties` is not an object"),
        (b'{"properties":{"t":"text"}}', "t: a field must be an object"),
        (b'{"properties":{"t":{"type":["text"]}}}', "t: a field must be an object whose `type` is a string"),
        (b'{"properties":{"s":{"properties":{"t":1}}}}', "s.t: a field"),
        (b'{"properties":{"s":{"fields":1}}}', "s: `fields` is not an object"),
        (b'{"b":{"mappings":{"properties":{"s":{"properties":{"t":1}}}}}}', "b: s.t: a field"),
        (b'{"b":{"mappings":{"runtime":[]}}}', "b: `runtime` is not an object"),
        (b'{"a":1}', "a: there is no `mappings`"),
    ],
)
def test_an_error_names_its_location(text: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(text)


FIELDS: st.SearchStrategy[Any] = st.recursive(
    JSON,
    lambda inner: st.dictionaries(st.sampled_from(["properties", "fields", "type", "path", "x"]), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b'{"properties":{"s":' * 400 + b"{}" + b"}}" * 400)
def test_any_bytes_are_read_or_a_config_error(text: bytes) -> None:
    with contextlib.suppress(ConfigError):
        read(text)


@given(FIELDS)
def test_any_mapping_is_read_or_a_config_error(value: Any) -> None:
    for document in ({"properties": value}, {"a": {"mappings": value}}, {"mappings": {"runtime": value, "t": value}}):
        with contextlib.suppress(ConfigError):
            read(json.dumps(document).encode())
