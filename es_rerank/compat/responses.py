"""Rewrites requests and responses that differ between the engines. Bytes outside the changed values are kept."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from es_rerank.jsonspan import Edit, Span, check_depth, decode, members, splice

# Elasticsearch 7 clients verify the tagline and the build flavor.
_TAGLINE = b'"You Know, for Search"'
_BUILD_FLAVOR = b'"build_flavor"'


def emulated_root(body: bytes, version: str) -> bytes:
    """Return the engine's response to `GET /` with the version, build flavor and tagline of Elasticsearch.

    Args:
        body: The engine's response.
        version: The version number to return, such as `8.19.0`.

    Raises:
        ValueError: If the body is not a JSON object.
        KeyError: If the body has no `version.number`.

    """
    root = _members(body)
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
    """One node in a response to `GET /_nodes`."""

    name: str = ""


class _Nodes(Struct):
    """The cluster name and the node names in a response to `GET /_nodes`."""

    nodes: dict[str, _Node] = {}
    cluster_name: str = ""


def root_response(nodes_body: bytes, version: str) -> bytes | None:
    """Return a response to `GET /` for an engine that does not implement this endpoint.

    Args:
        nodes_body: The engine's response to `GET /_nodes`, from which the cluster name and a node name are taken.
        version: The version number to return, such as `8.19.0`.

    Returns:
        The response body, or None if *nodes_body* has an unexpected format.

    """
    try:
        cluster = decode(nodes_body, _Nodes)
    except ValueError:
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
    """Return `version.distribution` in a response to `GET /`, such as `opensearch`; empty if it is missing."""
    try:
        name = decode(body)["version"].get("distribution", "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return name if isinstance(name, str) else ""


def with_node_address(body: bytes, address: str) -> bytes:
    """Return a response to `GET /_nodes` with the HTTP publish address of every node replaced.

    Args:
        body: The engine's response.
        address: The address of es-rerank, `host:port`, for clients with sniffing enabled.

    Raises:
        ValueError: If the body, its member `nodes` or a node is not a JSON object.

    """
    response = _members(body)
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
    """Convert OpenSearch's response for a new point in time to Elasticsearch's format: rename `pit_id` to `id`.

    Raises:
        ValueError: If the body is not a JSON object.

    """
    pit_id = _members(body).get("pit_id")
    return body if pit_id is None else splice(body, [_renamed(pit_id, b'"pit_id"', b'"id"')])


def to_opensearch_close_pit(body: bytes) -> bytes:
    """Convert Elasticsearch's request to close a point in time, `{"id": ...}`, to OpenSearch's `{"pit_id": [...]}`.

    Raises:
        ValueError: If the body is not a JSON object.
        KeyError: If the body has no `id`.

    """
    return msgspec.json.encode({"pit_id": [Raw(_members(body)["id"].of(body))]})


def from_opensearch_close_pit(body: bytes) -> bytes:
    """Convert OpenSearch's response for closed points in time to Elasticsearch's: `{"succeeded", "num_freed"}`.

    Raises:
        ValueError, LookupError, TypeError: If the body is not of the form `{"pits": [{"successful": ...}]}`.

    """
    pits = decode(body)["pits"]
    num_freed = sum(bool(pit["successful"]) for pit in pits)
    return msgspec.json.encode({"succeeded": num_freed == len(pits), "num_freed": num_freed})


def _members(body: bytes) -> dict[str, Span]:
    """Return the spans of a body's members. Raises ValueError if it is not a JSON object or is nested too deeply."""
    check_depth(body)
    return members(body)


def _members_at(body: bytes, span: Span) -> dict[str, Span]:
    """Return the members of the JSON object at *span*, as spans relative to *body*."""
    return {name: member.moved(span.start) for name, member in members(span.of(body)).items()}


def _replaced(span: Span, value: bytes) -> Edit:
    """Return the edit that replaces the value at *span*."""
    return (span.start, span.end, value)


def _renamed(span: Span, key: bytes, new_key: bytes) -> Edit:
    """Return the edit that renames a member from *key* to *new_key*, both quoted and without escape sequences."""
    return (span.key, span.key + len(key), new_key)
