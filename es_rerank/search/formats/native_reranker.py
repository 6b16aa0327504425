"""Native rerankers in a request. es-rerank replaces them, so they work with any license and engine.

Formats: Elasticsearch's `retriever.text_similarity_reranker` (8.14 to 9.x) and OpenSearch's `ext.rerank.query_context`.
Invalid or undocumented forms are left unchanged, so the engine returns its own error. Values are never re-encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, json

from es_rerank.jsonspan import check_depth, decode, element_texts, members
from es_rerank.model import RerankRequest

Members = dict[str, bytes]
_RERANKER = "text_similarity_reranker"
# More deeply nested retrievers are left to the engine, because each level is parsed again.
_MAX_DEPTH = 16
# Members of a standard retriever that are also valid in a search body.
_PLAIN = frozenset({"query", "min_score", "sort", "search_after", "terminate_after", "collapse"})
# Members that Elasticsearch rejects together with a retriever.
_REFUSED = (_PLAIN - {"collapse"}) | {"sub_searches", "knn", "rank", "rescore"}
# OpenSearch resolves a path in the long form of a search, where `{"match": {"title": "hose"}}` has a `query`.
_EXPANDED_NAMES = frozenset({"query", "value", "wildcard"})


@dataclass(frozen=True, slots=True)
class Resolved:
    """A search body for the engine, and the options removed from it. If `native` is true, the engine must rerank."""

    raw: bytes
    rerank_request: RerankRequest | None = None
    native: bool = False


class _Reranker(Struct, frozen=True, forbid_unknown_fields=True, rename={"name": "_name"}):
    """The members of a `text_similarity_reranker` with their documented types; `inference_id` is ignored."""

    retriever: Raw
    inference_text: Annotated[str, Meta(pattern=r"\S")]
    field: str | None = None
    rank_window_size: Annotated[int, Meta(ge=1, lt=2**31)] = 10
    min_score: float | None = None
    filter: Raw = Raw(b"[]")
    chunk_rescorer: dict[str, Raw] | None = None
    inference_id: str | None = None
    allow_rerank_failures: bool | None = None
    name: str | None = None


def resolve(raw: bytes, pipeline: str | None = None) -> Resolved:
    """Return a search body without native rerankers, and the options of these rerankers. Never raises.

    Args:
        raw: The search body. A body without native rerankers, or that is not an object, is returned unchanged.
        pipeline: The URL parameter `search_pipeline`.

    """
    try:
        check_depth(raw)
        body = _object(raw)
    except ValueError:
        return Resolved(raw)
    try:
        found = _from_retriever(body) or _from_ext(body, pipeline)
    except ValueError:
        return Resolved(raw, native=True)
    return Resolved(_written(found[0]), found[1]) if found else Resolved(raw)


def _from_retriever(body: Members) -> tuple[Members, RerankRequest] | None:
    """Return a body without `text_similarity_reranker` retrievers, and their options; None if it has no such retriever.

    If they are nested, the options of the outermost and the smallest window apply. Raises ValueError for invalid ones.
    """
    around, retriever = _peeled(body.get("retriever", b""))
    left, inside = _freed(retriever, 0)
    if not around and not inside:
        return None
    given = _joined(around[:1] or inside)
    if around:
        window = min(one.rank_window_size for one in around)
        given = replace(given, window=window, min_score=around[0].min_score)
    elif any(one.min_score is not None for one in inside):
        raise ValueError("a min_score that applies to one retriever only")
    kind, value = _only(left)
    new = _plain(value) if kind == "standard" else {"retriever": left}
    if (body.keys() - {"retriever"}) & (_REFUSED | new.keys()):
        raise ValueError("members that exclude each other")
    return _replaced(body, "retriever", new), given


def _peeled(retriever: bytes) -> tuple[list[_Reranker], bytes]:
    """Return the rerankers around a retriever, outermost first, and that retriever with their filters added."""
    around: list[_Reranker] = []
    kind, value = _only(retriever)
    while kind == _RERANKER:
        members(value)  # raises ValueError for a duplicate key
        around.append(decode(value, _Reranker))
        retriever = bytes(around[-1].retriever)
        kind, value = _only(retriever)
        if not kind or len(around) > _MAX_DEPTH:
            raise ValueError("no retriever, or nested too deeply")
    for one in reversed(around):
        retriever = _filtered(retriever, bytes(one.filter))
    return around, retriever


def _freed(retriever: bytes, depth: int) -> tuple[bytes, list[_Reranker]]:
    """Return a retriever with each reranker in it replaced by its inner retriever, and the replaced rerankers."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    around, retriever = _peeled(retriever)
    kind, value = _only(retriever)
    left, inside = _freed_inside(value, depth)
    return _written({kind: left}) if inside else retriever, [*around, *inside]


def _freed_inside(value: bytes, depth: int) -> tuple[bytes, list[_Reranker]]:
    """Return an object without the rerankers in its child retrievers, and these rerankers."""
    parts = _opened(value)
    found: list[_Reranker] = []
    for name, free in _CHILDREN.items():
        if name in parts:
            parts[name], more = free(parts[name], depth + 1)
            found += more
    return _written(parts) if found else value, found


def _freed_each(listed: bytes, depth: int) -> tuple[bytes, list[_Reranker]]:
    """Return a list of retrievers, or of `{retriever, weight}` objects, without rerankers; and the rerankers."""
    entries = element_texts(listed) if listed.startswith(b"[") else []
    done = [_freed_inside(one, depth) if "retriever" in _opened(one) else _freed(one, depth) for one in entries]
    found = [one for _, more in done for one in more]
    return b"[%b]" % b",".join(left for left, _ in done) if found else listed, found


_CHILDREN: Mapping[str, Callable[[bytes, int], tuple[bytes, list[_Reranker]]]] = {
    "retriever": _freed,
    "retrievers": _freed_each,
}


def _joined(wishes: list[_Reranker]) -> RerankRequest:
    """Return the merged options of several rerankers. Raises ValueError if their query texts differ."""
    (text,) = {one.inference_text for one in wishes}
    fields = dict.fromkeys(one.field for one in wishes if one.field)
    return RerankRequest(text, tuple(fields), chunks=any(one.chunk_rescorer is not None for one in wishes))


def _filtered(retriever: bytes, more: bytes) -> bytes:
    """Return a retriever with one or more filters added to its own. Raises ValueError if a filter is invalid."""
    added = _filters(more)
    if not added:
        return retriever
    kind, value = _only(retriever)
    parts = _object(value)
    merged = [*_filters(parts.get("filter", b"[]")), *added]
    parts["filter"] = b"[%b]" % b",".join(merged) if len(merged) > 1 else merged[0]
    return _written({kind: _written(parts)})


def _filters(value: bytes) -> list[bytes]:
    """Return a filter, or a list of filters, as a list. Raises ValueError for any other value."""
    found = [value] if value.startswith(b"{") else element_texts(value)
    if all(one.startswith(b"{") for one in found):
        return found
    raise ValueError("no filter")


def _plain(standard: bytes) -> Members:
    """Return a standard retriever as members of a search body, which both engines accept.

    Filters and a name go into a `bool` around the query, which leaves the query's score unchanged.
    """
    parts = {"query": b'{"match_all":{}}', **_object(standard)}
    around = {name: value for name, value in parts.items() if name in {"filter", "_name"}}
    plain = {name: value for name, value in parts.items() if name in _PLAIN}
    if len(around) + len(plain) < len(parts):
        raise ValueError("unknown members")
    if around:
        plain["query"] = _written({"bool": _written({"must": b"[%b]" % plain["query"], **around})})
    return plain


def _from_ext(body: Members, pipeline: str | None) -> tuple[Members, RerankRequest] | None:
    """Return a body without `ext.rerank`, and its text; None without it. Raises ValueError if the engine reranks."""
    ext = _opened(body.get("ext", b""))
    if "rerank" not in ext:
        return None
    context = decode(_object(ext.pop("rerank")).get("query_context", b""), dict[str, str])
    text = context.get("query_text", "") or _at(body, context.get("query_text_path", ""))
    if len(context) > 1 or _pipelined(body, pipeline) or not isinstance(text, str) or not text.strip():
        raise ValueError("a search pipeline reranks, or there is not exactly one text")
    return _replaced(body, "ext", {"ext": _written(ext)} if ext else {}), RerankRequest(text)


def _pipelined(body: Members, pipeline: str | None) -> bool:
    """Return whether a request uses a search pipeline. The URL takes precedence over a name in the body."""
    inline = decode(body.get("search_pipeline", b"null"))
    return (pipeline if pipeline and not isinstance(inline, dict) else inline) not in (None, "", "_none")


def _at(body: Members, path: str) -> Any:
    """Return the value at a dotted path through objects and arrays; None if it does not exist."""
    first, *rest = path.split(".")
    value = decode(body.get(first, b"null"))
    for part in rest:
        value = _step(value, part)
    return value


def _step(value: Any, part: str) -> Any:
    """Return the value at one part of a path. A string or a single query may be the short form of an object."""
    if isinstance(value, dict):
        return value.get(part, value if part == "0" else None)
    if isinstance(value, list):
        return value[int(part)] if part.isdecimal() and int(part) < len(value) else None
    return value if part in _EXPANDED_NAMES else None


def _only(retriever: bytes) -> tuple[str, bytes]:
    """Return the type and definition of a retriever; both empty unless it is an object with exactly one member."""
    parts = _opened(retriever)
    if len(parts) > 1 and _RERANKER in parts:
        raise ValueError("a reranker next to other retrievers")
    return next(iter(parts.items())) if len(parts) == 1 else ("", b"")


def _opened(value: bytes) -> Members:
    """Return the members of an object as bytes; empty for any other value."""
    return _object(value) if value.startswith(b"{") else {}


def _object(value: bytes) -> Members:
    """Return the members of an object as bytes. Raises ValueError for any other value or a duplicate key."""
    return {name: span.of(value) for name, span in members(value).items()}


def _replaced(body: Members, name: str, new: Members) -> Members:
    """Return the members of a body with the member *name* replaced by the members *new*; removed if *new* is empty."""
    return {key: one for old in body for key, one in (new if old == name else {old: body[old]}).items()}


def _written(parts: Members) -> bytes:
    """Serialize an object with these members."""
    return json.encode({name: Raw(value) for name, value in parts.items()})
