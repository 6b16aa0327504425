"""Asynchronous searches: reads the wrapped answer, and carries the plan from submit to poll in the id the client gets.

Formats: Elasticsearch's `_async_search` (`id`, `is_running`, `is_partial`, `response`) and OpenSearch's asynchronous
search plugin (`id`, `state`, `response`).
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from msgspec import Meta, json, msgpack

from es_rerank.jsonspan import Span, members, splice
from es_rerank.model import Plan, Rule

# States in which the plugin holds the whole answer, kept or not; a search that failed has an `error` with them.
_DONE = frozenset({"SUCCEEDED", "PERSISTING", "PERSIST_SUCCEEDED", "PERSIST_FAILED", "STORE_RESIDENT", "CLOSED"})
_STATES = _DONE | {"INIT", "RUNNING", "FAILED"}
_WORDS = ("id", "is_running", "is_partial", "state")

# No engine's id has a dot: they are base64. The digit is the version of what follows.
_MARK = ".r1"
_CHUNKS = "max_passage"
# What a plan may take before it is packed: packed, it still is a URL that this program reads.
_MOST_BYTES = 32 * 1024

# As far as the engines count hits.
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Window = Annotated[int, Meta(ge=0, le=1000)]


@dataclass(frozen=True, slots=True)
class AsyncSearchResponse:
    """An asynchronous search's answer: the engine's id and its span, the span of the search answer, where it has them.

    `final`: the answer is there, whole, and will not change.
    """

    body: bytes
    id: str | None
    place: Span | None
    response: Span | None
    final: bool


class _Packed(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A plan as it travels; `plain` is a rule without its template, `chunks` one that reads documents in pieces."""

    text: str
    start: _Count
    size: _Count
    fetch_from: _Count
    fetch_size: _Count
    window: _Window
    rule: str
    passage_fields: tuple[str, ...]
    extra_fields: tuple[str, ...]
    asked_fields: tuple[str, ...]
    min_score: float | None
    bare: bool
    plain: bool
    chunks: bool


_SHARED = frozenset(_Packed.__struct_fields__) & frozenset(Plan.__dataclass_fields__) - {"rule"}


def read(body: bytes) -> AsyncSearchResponse | None:
    """Find the pieces of an asynchronous search's answer or status; None for anything else."""
    try:
        found = members(body)
        known = {name: json.decode(found[name].of(body)) for name in _WORDS if name in found}
    except (ValueError, RecursionError):
        return None
    over = _over(known)
    if over is None:
        return None
    engine_id = known.get("id")
    inner = found.get("response")
    response = inner if inner and inner.of(body).startswith(b"{") else None
    return AsyncSearchResponse(
        body,
        id=engine_id if isinstance(engine_id, str) else None,
        place=found.get("id") if isinstance(engine_id, str) else None,
        response=response,
        final=over and response is not None and "error" not in found,
    )


def _over(known: Mapping[str, Any]) -> bool | None:
    """Tell whether the search has ended well; None if this is no asynchronous search at all."""
    running, partial, state = (known.get(name) for name in ("is_running", "is_partial", "state"))
    if isinstance(running, bool) and isinstance(partial, bool):
        return not running and not partial
    return state in _DONE if isinstance(state, str) and state in _STATES else None


def write(wrapped: AsyncSearchResponse, client_id: str | None, response: bytes | None) -> bytes:
    """Put another id and another search answer into the body (None: as it was); all other bytes stay."""
    new = ((wrapped.place, client_id and json.encode(client_id)), (wrapped.response, response))
    return splice(wrapped.body, [(span.start, span.end, value) for span, value in new if span and value])


def token(engine_id: str, plan: Plan) -> str:
    """Write the id for the client: the engine's, and the plan packed behind it.

    An id of about 70 characters grows to about 200. It is not signed, because it gives its holder nothing: it says
    which part of an answer is shown and in which order, the answer comes with the credentials of whoever asks, and
    a changed one is held to what a search of the same client could ask. A plan too large for a URL is left at the
    engine's order: only its page travels.
    """
    packed = _packed(plan)
    if len(packed) > _MOST_BYTES:
        packed = _packed(_page_only(plan))
    return engine_id + _MARK + base64.urlsafe_b64encode(zlib.compress(packed, 9)).rstrip(b"=").decode()


def recall(text: str, rule: Callable[[str], Rule | None]) -> tuple[str, Plan] | None:
    """Read the engine's id and the plan out of a client's id; None if no plan of ours is in it, or an impossible one.

    `rule` finds a rule by name. For one that is gone the plan has a rule of mode `off`: the caller cuts the page and
    leaves the engine's order.
    """
    engine_id, mark, packed = text.partition(_MARK)
    kept = _unpacked(packed) if engine_id and mark else None
    if kept is None or not _possible(kept):
        return None
    found = _as_asked(rule(kept.rule) or Rule(kept.rule, mode="off"), kept)
    fields = {name: getattr(kept, name) for name in _SHARED}
    return engine_id, Plan(**fields | {"rule": found, "window": min(kept.window, found.window)})


def _packed(plan: Plan) -> bytes:
    """Encode a plan without what is never asked of an asynchronous search (`light`, `only`)."""
    fields = {name: getattr(plan, name) for name in _SHARED}
    of_rule = {"rule": plan.rule.name, "plain": plan.rule.template is None, "chunks": plan.rule.long.mode == _CHUNKS}
    return msgpack.encode(_Packed(**fields | of_rule))


def _page_only(plan: Plan) -> Plan:
    """Leave of a plan what cuts the page; without fields there is nothing to read, so the engine's order stands."""
    bare_rule = replace(plan.rule, template=None)
    return replace(plan, text="", rule=bare_rule, passage_fields=(), extra_fields=(), asked_fields=())


def _unpacked(packed: str) -> _Packed | None:
    """Decode what stands behind the mark; None for anything but one whole plan of bounded size."""
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        inflater = zlib.decompressobj()
        plain = inflater.decompress(data, _MOST_BYTES + 1)
        if not inflater.eof or inflater.unused_data:
            return None
        return msgpack.decode(plain, type=_Packed)
    except (ValueError, zlib.error):
        return None


def _possible(kept: _Packed) -> bool:
    """Tell whether a plan could be one of ours: the page lies in what was fetched, a text comes with its fields."""
    return (
        kept.fetch_from <= kept.start
        and bool(kept.text) == bool(kept.passage_fields)
        and (kept.min_score is None or math.isfinite(kept.min_score))
    )


def _as_asked(rule: Rule, kept: _Packed) -> Rule:
    """Put into a rule what the request asked by name."""
    if kept.chunks:
        rule = replace(rule, long=replace(rule.long, mode=_CHUNKS))
    return replace(rule, template=None) if kept.plain else rule
