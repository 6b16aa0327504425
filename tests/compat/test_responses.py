from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.compat.responses import (
    distribution,
    emulated_root,
    from_opensearch_close_pit,
    from_opensearch_open_pit,
    root_response,
    to_opensearch_close_pit,
    with_node_address,
)

OPENSEARCH = b"""{
  "name" : "n",
  "version" : {
    "distribution" : "opensearch",
    "number" : "3.6.0",
    "build_hash" : "number"
  },
  "tagline" : "The OpenSearch Project: https://opensearch.org/"
}
"""
# Deeper than any decoder goes.
DEEP = b"[" * 5000 + b"]" * 5000
ELASTICSEARCH = b'{"name":"n","version":{"number":"8.19.21","build_flavor":"default"},"tagline":"You Know, for Search"}'


def test_an_opensearch_is_shown_as_an_elasticsearch_and_nothing_else_changes() -> None:
    assert emulated_root(OPENSEARCH, "8.19.0") == OPENSEARCH.replace(
        b'"distribution" : "opensearch"', b'"build_flavor" : "default"'
    ).replace(b"3.6.0", b"8.19.0").replace(b"The OpenSearch Project: https://opensearch.org/", b"You Know, for Search")


def test_of_an_elasticsearch_only_the_version_number_changes() -> None:
    assert emulated_root(ELASTICSEARCH, "9.2.0") == ELASTICSEARCH.replace(b"8.19.21", b"9.2.0")


def test_a_root_response_without_tagline_gets_none() -> None:
    assert emulated_root(b'{"version":{"number":"2.0"}}', "8.19.0") == b'{"version":{"number":"8.19.0"}}'


def test_an_engine_without_a_root_response_gets_one_from_its_names() -> None:
    assert json.loads(root_response(b'{"cluster_name":"c","nodes":{"x":{"name":"n"},"y":{}}}', "8.19.0") or b"") == {
        "name": "n",
        "cluster_name": "c",
        "cluster_uuid": "_na_",
        "version": {"number": "8.19.0", "build_flavor": "default"},
        "tagline": "You Know, for Search",
    }
    assert json.loads(root_response(b"{}", "9.2.0") or b"")["name"] == ""


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"nodes":1}', b'{"nodes":{"x":"n"}}', b'{"nodes":{"x":{"name":1}}}', b'{"x":%b}' % DEEP]
)
def test_a_body_that_is_no_response_of_nodes_gives_no_root_response(body: bytes) -> None:
    assert root_response(body, "8.19.0") is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (OPENSEARCH, "opensearch"),
        (ELASTICSEARCH, ""),
        (b"", ""),
        (b"[]", ""),
        (b'{"version":1}', ""),
        (b"{}", ""),
        (b'{"version":{"distribution":1}}', ""),
        (b'{"version":%b}' % DEEP, ""),
    ],
)
def test_distribution(body: bytes, expected: str) -> None:
    assert distribution(body) == expected


def test_every_node_with_an_http_address_gets_the_address() -> None:
    body = (
        b'{"_nodes":{"total":2},"nodes":{'
        b'"a":{"http":{"bound_address":["[::]:9200"],"publish_address":"es/10.0.0.1:9200"},"x":1.50},'
        b'"b":{"transport":{"publish_address":"10.0.0.2:9300"}, "http" : {"publish_address" : "10.0.0.2:9200" }},'
        b'"c":{}}}'
    )
    shown = body.replace(b"es/10.0.0.1:9200", b"search.example:9280").replace(b"10.0.0.2:9200", b"search.example:9280")
    assert with_node_address(body, "search.example:9280") == shown


def test_a_response_without_nodes_stays_unchanged() -> None:
    assert with_node_address(b'{ "cluster_name":"x" }', "a:1") == b'{ "cluster_name":"x" }'


def test_points_in_time() -> None:
    assert from_opensearch_open_pit(b'{"pit_id":"p1","_shards":{"total":1}}') == b'{"id":"p1","_shards":{"total":1}}'
    assert from_opensearch_open_pit(b'{"id":"p1"}') == b'{"id":"p1"}'
    assert to_opensearch_close_pit(b'{ "id" : "p\\u0031" }') == b'{"pit_id":["p\\u0031"]}'
    both = b'{"pits":[{"pit_id":"p1","successful":true},{"pit_id":"p2","successful":true}]}'
    assert json.loads(from_opensearch_close_pit(both)) == {"succeeded": True, "num_freed": 2}
    assert json.loads(from_opensearch_close_pit(b'{"pits":[{"successful":false}]}')) == {
        "succeeded": False,
        "num_freed": 0,
    }


@given(st.binary() | st.sampled_from([b"[]", b"{}", b"null", b'{"version":[]}', b'{"nodes":1}', b'{"pits":{}}']))
def test_other_bytes_raise_only_the_errors_that_callers_catch(body: bytes) -> None:
    for show in (
        lambda: emulated_root(body, "8"),
        lambda: with_node_address(body, "a:1"),
        lambda: from_opensearch_open_pit(body),
        lambda: from_opensearch_close_pit(body),
    ):
        try:
            show()
        except (ValueError, LookupError, TypeError):
            continue
