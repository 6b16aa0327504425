"""Asynchronous searches: reads the wrapped response, and carries the plan from submit to poll in the client's id.

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
from es_rerank.model import FetchPhase, FetchSpec, LongDocumentMode, Plan, Rule, RuleMode

# States in which the plugin holds the whole response, stored or not; a failed search has an `error` with them.
_DONE = frozenset({"SUCCEEDED", "PERSISTING", "PERSIST_SUCCEEDED", "PERSIST_FAILED", "STORE_RESIDENT", "CLOSED"})
_STATES = _DONE | {"INIT", "RUNNING", "FAILED"}
_STATUS_MEMBERS = ("id", "is_running", "is_partial", "state")

# No engine's id contains a dot: they are base64. The digit is the version of the packed plan behind it.
_MARK = ".r1"
# Limit of a plan before compression; compressed, it still fits into a URL that es-rerank accepts.
_MAX_PLAN_BYTES = 32 * 1024

# The engines count hits in 32 bits.
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Window = Annotated[int, Meta(ge=0, le=1000)]


@dataclass(frozen=True, slots=True)
class AsyncSearchResponse:
    """The response to an asynchronous search.

    Attributes:
        body: Its bytes.
        id: The engine's id; None if it has none.
        id_span: The span of the id.
        response: The span of the search response; None if there is none yet.
        final: Whether the search response is complete and will not change.

    """

    body: bytes
    id: str | None
    id_span: Span | None
    response: Span | None
    final: bool


class _PackedPlan(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A plan as it is packed into an id.

    `no_template`: the rule applies without its template. `chunks`: long documents are scored passage by passage.
    """

    text: str
    start: _Count
    size: _Count
    fetch_from: _Count
    fetch_size: _Count
    window: _Window
    rule: str
    passage_fields: tuple[str, ...]
    extra_fields: tuple[str, ...]
    client_fields: tuple[str, ...]
    min_score: float | None
    without_stored_fields: bool
    no_template: bool
    chunks: bool


def read(body: bytes) -> AsyncSearchResponse | None:
    """Locate the parts of the response to an asynchronous search, or of its status; None for anything else."""
    try:
        found = members(body)
        status = {name: json.decode(found[name].of(body)) for name in _STATUS_MEMBERS if name in found}
    except (ValueError, RecursionError):
        return None
    succeeded = _has_succeeded(status)
    if succeeded is None:
        return None
    engine_id = status.get("id")
    inner = found.get("response")
    response = inner if inner and inner.of(body).startswith(b"{") else None
    return AsyncSearchResponse(
        body,
        id=engine_id if isinstance(engine_id, str) else None,
        id_span=found.get("id") if isinstance(engine_id, str) else None,
        response=response,
        final=succeeded and response is not None and "error" not in found,
    )


def write(response: AsyncSearchResponse, client_id: str | None, search_response: bytes | None) -> bytes:
    """Replace the id and the search response in a body, unless they are None; all other bytes stay."""
    new = ((response.id_span, client_id and json.encode(client_id)), (response.response, search_response))
    return splice(response.body, [(span.start, span.end, value) for span, value in new if span and value])


def token(engine_id: str, plan: Plan) -> str:
    """Return the id for the client: the engine's id, followed by the packed plan.

    An id of about 70 characters grows to about 200. It is not signed, because it grants nothing: it says which part of
    a response is shown in which order, the response is read with the caller's own credentials, and a changed id is
    limited to what a search of the same client could ask for. Of a plan that is too large for a URL only the page is
    packed, so the engine's order stays.
    """
    packed = _pack(plan)
    if len(packed) > _MAX_PLAN_BYTES:
        packed = _pack(_page_only(plan))
    return engine_id + _MARK + base64.urlsafe_b64encode(zlib.compress(packed, 9)).rstrip(b"=").decode()


def recall(client_id: str, rule: Callable[[str], Rule | None]) -> tuple[str, Plan] | None:
    """Read the engine's id and the plan from a client's id.

    Args:
        client_id: The id that the client sent.
        rule: Finds a rule in force by its name.

    Returns:
        The engine's id and the plan; None if the id contains no plan, or an impossible one. If the rule is gone, the
        plan has a rule of mode `off`: the page is cut, in the engine's order.

    """
    engine_id, mark, packed = client_id.partition(_MARK)
    kept = _unpack(packed) if engine_id and mark else None
    if kept is None or not _is_possible(kept):
        return None
    found = _with_request(rule(kept.rule) or Rule(kept.rule, mode=RuleMode.OFF), kept)
    plan = Plan(
        text=kept.text,
        start=kept.start,
        size=kept.size,
        fetch=FetchSpec(FetchPhase.WINDOW, kept.fetch_from, kept.fetch_size),
        window=min(kept.window, found.window),
        rule=found,
        passage_fields=kept.passage_fields,
        extra_fields=kept.extra_fields,
        client_fields=kept.client_fields,
        min_score=kept.min_score,
        without_stored_fields=kept.without_stored_fields,
    )
    return engine_id, plan


def _has_succeeded(status: Mapping[str, Any]) -> bool | None:
    """Return whether the search has ended successfully; None if this is no asynchronous search at all."""
    running, partial, state = (status.get(name) for name in ("is_running", "is_partial", "state"))
    if isinstance(running, bool) and isinstance(partial, bool):
        return not running and not partial
    return state in _DONE if isinstance(state, str) and state in _STATES else None


def _pack(plan: Plan) -> bytes:
    """Encode a plan; an asynchronous search has neither a query phase nor a fetch phase."""
    return msgpack.encode(
        _PackedPlan(
            text=plan.text,
            start=plan.start,
            size=plan.size,
            fetch_from=plan.fetch.from_,
            fetch_size=plan.fetch.size,
            window=plan.window,
            rule=plan.rule.name,
            passage_fields=plan.passage_fields,
            extra_fields=plan.extra_fields,
            client_fields=plan.client_fields,
            min_score=plan.min_score,
            without_stored_fields=plan.without_stored_fields,
            no_template=plan.rule.template is None,
            chunks=plan.rule.long.mode is LongDocumentMode.MAX_PASSAGE,
        )
    )


def _page_only(plan: Plan) -> Plan:
    """Return what of a plan cuts the page; without fields there is nothing to read, so the engine's order stays."""
    rule = replace(plan.rule, template=None)
    return replace(plan, text="", rule=rule, passage_fields=(), extra_fields=(), client_fields=())


def _unpack(packed: str) -> _PackedPlan | None:
    """Decode what follows the mark; None for anything but one whole plan of bounded size."""
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        inflater = zlib.decompressobj()
        plain = inflater.decompress(data, _MAX_PLAN_BYTES + 1)
        if not inflater.eof or inflater.unused_data:
            return None
        return msgpack.decode(plain, type=_PackedPlan)
    except (ValueError, zlib.error):
        return None


def _is_possible(kept: _PackedPlan) -> bool:
    """Return whether es-rerank may have made a plan: the page is in what was fetched, a text comes with its fields."""
    return (
        kept.fetch_from <= kept.start
        and bool(kept.text) == bool(kept.passage_fields)
        and (kept.min_score is None or math.isfinite(kept.min_score))
    )


def _with_request(rule: Rule, kept: _PackedPlan) -> Rule:
    """Return the rule with what the request asked for."""
    if kept.chunks:
        rule = replace(rule, long=replace(rule.long, mode=LongDocumentMode.MAX_PASSAGE))
    return replace(rule, template=None) if kept.no_template else rule
