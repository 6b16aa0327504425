"""Rerankers that a request asks for by name: taken over, so that they work on any licence and on either engine.

Formats: Elasticsearch's `retriever.text_similarity_reranker` (8.14 to 9.x) and OpenSearch's `ext.rerank.query_context`.
What has no documented shape is left as it came: the engine words its own error. No value is written anew, only moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, json

from es_rerank.jsonspan import elements, members
from es_rerank.model import RerankRequest

Members = dict[str, bytes]

_RERANKER = "text_similarity_reranker"
# Retrievers in retrievers beyond this depth are left alone: each level is one more reading of all below it.
_DEEPEST = 16
# What a standard retriever says in members that a search body has too.
_PLAIN = frozenset({"query", "min_score", "sort", "search_after", "terminate_after", "collapse"})
# What Elasticsearch refuses beside a retriever.
_REFUSED = (_PLAIN - {"collapse"}) | {"sub_searches", "knn", "rank", "rescore"}
# OpenSearch follows a path in the search as it writes it out: `{"match": {"title": "hose"}}` has a `query` there.
_SPELLED_OUT = frozenset({"query", "value", "wildcard"})


@dataclass(frozen=True, slots=True)
class Resolved:
    """A search body as the engine shall get it, and what it asked of a reranker.

    `native`: a reranker is asked for that the engine must answer for, so the search is the engine's.
    """

    raw: bytes
    rerank_request: RerankRequest | None = None
    native: bool = False


class _Reranker(Struct, frozen=True, forbid_unknown_fields=True, rename={"name": "_name"}):
    """The members of a `text_similarity_reranker` in their documented types; the model behind the proxy is its own."""

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
    """Take out of a body what it asks of a reranker by name; *pipeline* is the URL parameter `search_pipeline`.

    A body that asks for nothing, or that is no object, comes back as it is. Raises nothing.
    """
    try:
        body = _object(raw)
    except (ValueError, RecursionError):
        return Resolved(raw)
    try:
        found = _from_retriever(body) or _from_ext(body, pipeline)
    except (ValueError, RecursionError):
        return Resolved(raw, native=True)
    return Resolved(_written(found[0]), found[1]) if found else Resolved(raw)


def _from_retriever(body: Members) -> tuple[Members, RerankRequest] | None:
    """Take Elasticsearch's reranking retrievers off; None if there are none, raises ValueError if they must stay.

    The outermost of those around all others has the last word, and reads what each of them ranks.
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
        raise ValueError("a score that leaves hits out of one part alone")
    kind, value = _only(left)
    new = _plain(value) if kind == "standard" else {"retriever": left}
    if (body.keys() - {"retriever"}) & (_REFUSED | new.keys()):
        raise ValueError("members that exclude each other")
    return _replaced(body, "retriever", new), given


def _peeled(retriever: bytes) -> tuple[list[_Reranker], bytes]:
    """Take rerankers off that stand directly around each other, outermost first; their filters go to what they read."""
    around: list[_Reranker] = []
    kind, value = _only(retriever)
    while kind == _RERANKER:
        members(value)  # refuses a member that is there twice
        around.append(json.decode(value, type=_Reranker))
        retriever = bytes(around[-1].retriever)
        kind, value = _only(retriever)
        if not kind or len(around) > _DEEPEST:
            raise ValueError("no retriever, or too many")
    for one in reversed(around):
        retriever = _filtered(retriever, bytes(one.filter))
    return around, retriever


def _freed(retriever: bytes, depth: int) -> tuple[bytes, list[_Reranker]]:
    """Take all rerankers off a retriever, each replaced by what it reads; the same bytes if it has none."""
    if depth > _DEEPEST:
        raise ValueError("too deep")
    around, retriever = _peeled(retriever)
    kind, value = _only(retriever)
    left, inside = _freed_inside(value, depth)
    return _written({kind: left}) if inside else retriever, [*around, *inside]


def _freed_inside(value: bytes, depth: int) -> tuple[bytes, list[_Reranker]]:
    """Take the rerankers off the retrievers that an object has as its members."""
    parts = _opened(value)
    found: list[_Reranker] = []
    for name, free in _CHILDREN.items():
        if name in parts:
            parts[name], more = free(parts[name], depth + 1)
            found += more
    return _written(parts) if found else value, found


def _freed_each(listed: bytes, depth: int) -> tuple[bytes, list[_Reranker]]:
    """Take the rerankers off a list of retrievers, or of objects with a `retriever` and its weight."""
    entries = [span.of(listed) for span in elements(listed)] if listed.startswith(b"[") else []
    done = [_freed_inside(one, depth) if "retriever" in _opened(one) else _freed(one, depth) for one in entries]
    found = [one for _, more in done for one in more]
    return b"[%b]" % b",".join(left for left, _ in done) if found else listed, found


_CHILDREN: Mapping[str, Callable[[bytes, int], tuple[bytes, list[_Reranker]]]] = {
    "retriever": _freed,
    "retrievers": _freed_each,
}


def _joined(wishes: list[_Reranker]) -> RerankRequest:
    """Ask once what several ask for. Raises ValueError for different texts, which have no one order."""
    (text,) = {one.inference_text for one in wishes}
    fields = dict.fromkeys(one.field for one in wishes if one.field)
    return RerankRequest(text, tuple(fields), chunks=any(one.chunk_rescorer is not None for one in wishes))


def _filtered(retriever: bytes, more: bytes) -> bytes:
    """Add filters, one or a list, to those a retriever has. Raises ValueError if either are no filters."""
    added = _filters(more)
    if not added:
        return retriever
    kind, value = _only(retriever)
    parts = _object(value)
    merged = [*_filters(parts.get("filter", b"[]")), *added]
    parts["filter"] = b"[%b]" % b",".join(merged) if len(merged) > 1 else merged[0]
    return _written({kind: _written(parts)})


def _filters(value: bytes) -> list[bytes]:
    """List filters, of which there may be one or many. Raises ValueError for what is neither object nor list."""
    found = [value] if value.startswith(b"{") else [span.of(value) for span in elements(value)]
    if all(one.startswith(b"{") for one in found):
        return found
    raise ValueError("no filter")


def _plain(standard: bytes) -> Members:
    """Say in members of a search body what a standard retriever says: either engine reads that.

    Filters and a name go around the query, so that the score stays the query's own.
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
    """Take OpenSearch's query context out; None if there is none, raises ValueError if it must stay."""
    ext = _opened(body.get("ext", b""))
    if "rerank" not in ext:
        return None
    context = json.decode(_object(ext.pop("rerank")).get("query_context", b""), type=dict[str, str])
    text = context.get("query_text", "") or _at(body, context.get("query_text_path", ""))
    if len(context) > 1 or _pipelined(body, pipeline) or not isinstance(text, str) or not text.strip():
        raise ValueError("its pipeline reranks, or it has not one text")
    return _replaced(body, "ext", {"ext": _written(ext)} if ext else {}), RerankRequest(text)


def _pipelined(body: Members, pipeline: str | None) -> bool:
    """Tell whether a request names a search pipeline; the URL stands above a name in the body."""
    inline = json.decode(body.get("search_pipeline", b"null"))
    return (pipeline if pipeline and not isinstance(inline, dict) else inline) not in (None, "", "_none")


def _at(body: Members, path: str) -> Any:
    """Follow a dotted path through objects and arrays; None where it leads nowhere."""
    first, *rest = path.split(".")
    value = json.decode(body.get(first, b"null"))
    for part in rest:
        value = _step(value, part)
    return value


def _step(value: Any, part: str) -> Any:
    """Go one step into a value; a text or a single query may stand for its long form."""
    if isinstance(value, dict):
        return value.get(part, value if part == "0" else None)
    if isinstance(value, list):
        return value[int(part)] if part.isdecimal() and int(part) < len(value) else None
    return value if part in _SPELLED_OUT else None


def _only(retriever: bytes) -> tuple[str, bytes]:
    """Give the kind of a retriever and what it says; both empty unless it is an object with one member."""
    parts = _opened(retriever)
    if len(parts) > 1 and _RERANKER in parts:
        raise ValueError("a reranker beside others")
    return next(iter(parts.items())) if len(parts) == 1 else ("", b"")


def _opened(value: bytes) -> Members:
    """Cut the members out of an object; none for anything else."""
    return _object(value) if value.startswith(b"{") else {}


def _object(value: bytes) -> Members:
    """Cut the members out of an object. Raises ValueError for anything else, and for a member that is there twice."""
    return {name: span.of(value) for name, span in members(value).items()}


def _replaced(body: Members, name: str, new: Members) -> Members:
    """Put members in the place of one."""
    return {key: one for old in body for key, one in (new if old == name else {old: body[old]}).items()}


def _written(parts: Members) -> bytes:
    """Write an object around its members."""
    return json.encode({name: Raw(value) for name, value in parts.items()})
