"""Writes the few answers and requests that differ between the engines, as splices: all other bytes stay."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from es_rerank.jsonspan import Edit, Span, members, splice

# What Elasticsearch 8 and 9 say of themselves, and clients of Elasticsearch 7 look at.
_TAGLINE = b'"You Know, for Search"'
_FLAVOR = b'"build_flavor"'
# Where a node of an answer of `_nodes` has the address that clients which look for nodes connect to.
_ADDRESS = ("http", "publish_address")


def info(body: bytes, version: str) -> bytes:
    """Write the answer of `GET /` as an Elasticsearch of this *version* does. Raises ValueError for anything else."""
    top = members(body)
    inside = top["version"]
    text = inside.of(body)
    found = members(text)
    edits = [_new(found["number"], msgspec.json.encode(version))]
    if "distribution" in found:
        named = found["distribution"]
        edits += [(named.key, named.key + len(b'"distribution"'), _FLAVOR), _new(named, b'"default"')]
    changed = [(inside.start, inside.end, splice(text, edits))]
    if "tagline" in top:
        changed.append(_new(top["tagline"], _TAGLINE))
    return splice(body, changed)


class _Node(Struct):
    """What an answer of `_nodes` says of one node."""

    name: str = ""


class _Nodes(Struct):
    """An answer of `_nodes`, as far as it names something."""

    nodes: dict[str, _Node] = {}
    cluster_name: str = ""


def root(node: bytes, version: str) -> bytes | None:
    """Write what `GET /` says of an Elasticsearch of this *version*, from the names in an answer of `_nodes`.

    None for any other answer.
    """
    try:
        said = msgspec.json.decode(node, type=_Nodes)
    except (ValueError, RecursionError):
        return None
    return msgspec.json.encode(
        {
            "name": next((one.name for one in said.nodes.values()), ""),
            "cluster_name": said.cluster_name,
            "cluster_uuid": "_na_",
            "version": {"number": version, "build_flavor": "default"},
            "tagline": msgspec.json.decode(_TAGLINE),
        }
    )


def distribution(body: bytes) -> str:
    """Read from the answer of `GET /` which engine it is: `opensearch`, or empty for Elasticsearch."""
    try:
        said = msgspec.json.decode(body)["version"].get("distribution", "")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return ""
    return said if isinstance(said, str) else ""


def nodes(body: bytes, address: str) -> bytes:
    """Name *address* as the HTTP address of each node in an answer of `_nodes`. Raises ValueError for anything else."""
    top = members(body)
    if "nodes" not in top:
        return body
    value = msgspec.json.encode(address)
    edits = []
    for node in _below(body, top["nodes"]).values():
        http = _below(body, node).get(_ADDRESS[0])
        published = _below(body, http).get(_ADDRESS[1]) if http else None
        if published:
            edits.append(_new(published, value))
    return splice(body, edits)


def opened(body: bytes) -> bytes:
    """Rename what OpenSearch says of a new point in time: `pit_id` is `id` in Elasticsearch. Raises ValueError."""
    found = members(body).get("pit_id")
    return body if found is None else splice(body, [(found.key, found.key + len(b'"pit_id"'), b'"id"')])


def closing(body: bytes) -> bytes:
    """Write `{"id": ...}` of Elasticsearch as the `{"pit_id": [...]}` of OpenSearch. Raises ValueError, KeyError."""
    return msgspec.json.encode({"pit_id": [Raw(members(body)["id"].of(body))]})


def closed(body: bytes) -> bytes:
    """Write OpenSearch's `{"pits": [{"successful"}]}` in Elasticsearch's words. Raises ValueError, KeyError."""
    pits = msgspec.json.decode(body)["pits"]
    freed = sum(bool(one["successful"]) for one in pits)
    return msgspec.json.encode({"succeeded": freed == len(pits), "num_freed": freed})


def _below(body: bytes, span: Span) -> dict[str, Span]:
    """Find the members of an object inside a body, at their place in the whole."""
    return {name: one.moved(span.start) for name, one in members(span.of(body)).items()}


def _new(span: Span, value: bytes) -> Edit:
    """Put a value in the place of another."""
    return (span.start, span.end, value)
