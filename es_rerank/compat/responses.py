"""Rewrites the few requests and responses that differ between the engines, as splices: all other bytes stay."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from es_rerank.jsonspan import Edit, Span, members, splice

# Clients of Elasticsearch 7 verify both.
_TAGLINE = b'"You Know, for Search"'
_BUILD_FLAVOR = b'"build_flavor"'


def emulated_root(body: bytes, version: str) -> bytes:
    """Return the response of `GET /` as an Elasticsearch of another version would send it.

    Args:
        body: the engine's response.
        version: the number to show, such as `8.19.0`.

    Raises:
        ValueError: The body is no JSON object.
        KeyError: It has no version.

    """
    root = members(body)
    span = root["version"]
    text = span.of(body)
    build = members(text)
    edits = [_replaced(build["number"], msgspec.json.encode(version))]
    if "distribution" in build:
        distribution = build["distribution"]
        edits += [_renamed(distribution, b'"distribution"', _BUILD_FLAVOR), _replaced(distribution, b'"default"')]
    changes = [_replaced(span, splice(text, edits))]
    if "tagline" in root:
        changes.append(_replaced(root["tagline"], _TAGLINE))
    return splice(body, changes)


class _Node(Struct):
    """One node in a response of `_nodes`."""

    name: str = ""


class _Nodes(Struct):
    """The names in a response of `_nodes`."""

    nodes: dict[str, _Node] = {}
    cluster_name: str = ""


def root_response(nodes_body: bytes, version: str) -> bytes | None:
    """Return a response of `GET /` for an engine without one, such as a distribution that does not implement it.

    Args:
        nodes_body: the engine's response of `_nodes`, whose names are used; for anything else the result is None.
        version: the number to show, such as `8.19.0`.

    """
    try:
        cluster = msgspec.json.decode(nodes_body, type=_Nodes)
    except (ValueError, RecursionError):
        return None
    return msgspec.json.encode(
        {
            "name": next((node.name for node in cluster.nodes.values()), ""),
            "cluster_name": cluster.cluster_name,
            "cluster_uuid": "_na_",
            "version": {"number": version, "build_flavor": "default"},
            "tagline": msgspec.json.decode(_TAGLINE),
        }
    )


def distribution(body: bytes) -> str:
    """Return the `distribution` in a response of `GET /`: `opensearch`, or "" for Elasticsearch and anything else."""
    try:
        name = msgspec.json.decode(body)["version"].get("distribution", "")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return ""
    return name if isinstance(name, str) else ""


def with_node_address(body: bytes, address: str) -> bytes:
    """Return a response of `_nodes` in which every node that has an HTTP address has this one.

    Args:
        body: the engine's response.
        address: `host:port`, to which clients that sniff connect.

    Raises:
        ValueError: The body is no JSON object, or its nodes are none.

    """
    response = members(body)
    if "nodes" not in response:
        return body
    value = msgspec.json.encode(address)
    edits = []
    for node in _members_at(body, response["nodes"]).values():
        http = _members_at(body, node).get("http")
        published = _members_at(body, http).get("publish_address") if http else None
        if published:
            edits.append(_replaced(published, value))
    return splice(body, edits)


def from_opensearch_open_pit(body: bytes) -> bytes:
    """Convert OpenSearch's response to opening a point in time: `pit_id` is `id` in Elasticsearch.

    Raises:
        ValueError: The body is no JSON object.

    """
    pit_id = members(body).get("pit_id")
    return body if pit_id is None else splice(body, [_renamed(pit_id, b'"pit_id"', b'"id"')])


def to_opensearch_close_pit(body: bytes) -> bytes:
    """Convert Elasticsearch's request to close a point in time, `{"id": ...}`, to OpenSearch's `{"pit_id": [...]}`.

    Raises:
        ValueError: The body is no JSON object.
        KeyError: It has no id.

    """
    return msgspec.json.encode({"pit_id": [Raw(members(body)["id"].of(body))]})


def from_opensearch_close_pit(body: bytes) -> bytes:
    """Convert OpenSearch's response to closing points in time to Elasticsearch's `{"succeeded", "num_freed"}`.

    Raises:
        ValueError, LookupError, TypeError: The body is not of the form `{"pits": [{"successful"}]}`.

    """
    pits = msgspec.json.decode(body)["pits"]
    num_freed = sum(bool(pit["successful"]) for pit in pits)
    return msgspec.json.encode({"succeeded": num_freed == len(pits), "num_freed": num_freed})


def _members_at(body: bytes, span: Span) -> dict[str, Span]:
    """Return the members of an object inside a body, as spans of the body."""
    return {name: member.moved(span.start) for name, member in members(span.of(body)).items()}


def _replaced(span: Span, value: bytes) -> Edit:
    """Replace a value."""
    return (span.start, span.end, value)


def _renamed(span: Span, key: bytes, new_key: bytes) -> Edit:
    """Replace the key of a member; *key* is its length in bytes, quoted and without escapes."""
    return (span.key, span.key + len(key), new_key)
