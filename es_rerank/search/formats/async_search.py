"""Async searches: parses the engine's responses, and stores the plan of the search in the id that the client gets.

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

from es_rerank.jsonspan import Span, check_depth, members, splice
from es_rerank.model import FetchPhase, FetchSpec, LongDocumentMode, Plan, Rule, RuleMode

# OpenSearch states in which the response is complete. A failed search may also have such a state, with an `error`.
_DONE = frozenset({"SUCCEEDED", "PERSISTING", "PERSIST_SUCCEEDED", "PERSIST_FAILED", "STORE_RESIDENT", "CLOSED"})
_STATES = _DONE | {"INIT", "RUNNING", "FAILED"}
_STATUS_MEMBERS = ("id", "is_running", "is_partial", "state")

# Separates the engine's id, which is base64 and has no dot, from the packed plan. The digit is the format version.
_MARK = ".r1"
# Maximum plan size before compression. A compressed plan of this size still fits into a URL that es-rerank accepts.
_MAX_PLAN_BYTES = 32 * 1024

# The engines store hit counts as 32-bit integers.
_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Window = Annotated[int, Meta(ge=0, le=1000)]


@dataclass(frozen=True, slots=True)
class AsyncSearchResponse:
    """The response of an async search API.

    Attributes:
        body: The response body.
        id: The engine's id; None if the response has no id.
        id_span: The byte span of the id in `body`.
        response: The byte span of the search response in `body`; None if `body` does not contain one yet.
        final: Whether the search response is complete.

    """

    body: bytes
    id: str | None
    id_span: Span | None
    response: Span | None
    final: bool


class _PackedPlan(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A plan in the form in which it is stored in an id.

    If `no_template` is true, the rule's template is not used. If `chunks` is true, long documents are scored passage by
    passage.
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
    named_fields: tuple[str, ...] = ()
    chooses_fields: bool = False
    target: str = ""
    index_options: tuple[tuple[str, str], ...] = ()


def read(body: bytes) -> AsyncSearchResponse | None:
    """Parse the response to a submit, poll or status request of an async search. Return None for any other format."""
    try:
        check_depth(body)
        found = members(body)
        status = {name: json.decode(found[name].of(body)) for name in _STATUS_MEMBERS if name in found}
    except ValueError:
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
    """Return the body with a new id and a new search response; None keeps the old one. Other bytes are unchanged."""
    new = ((response.id_span, client_id and json.encode(client_id)), (response.response, search_response))
    return splice(response.body, [(span.start, span.end, value) for span, value in new if span and value])


def token(engine_id: str, plan: Plan) -> str:
    """Return the id for the client: the engine's id, followed by the packed plan.

    An id of about 70 characters grows to about 200. The id is not signed, because replicas share no secret. A forged id
    can only change the part of a response that is shown and its order, since the response is read with the caller's own
    credentials. Before the model reads the hits, the caller of this function must check that the rule in the id applies
    to them. If a plan is too large for a URL, only the page is packed, and hits keep the engine's order.
    """
    packed = _pack(plan)
    if len(packed) > _MAX_PLAN_BYTES:
        packed = _pack(_page_only(plan))
    return engine_id + _MARK + base64.urlsafe_b64encode(zlib.compress(packed, 9)).rstrip(b"=").decode()


def recall(client_id: str, rule: Callable[[str], Rule | None]) -> tuple[str, Plan] | None:
    """Extract the engine's id and the plan from a client's id.

    Args:
        client_id: The id that the client sent.
        rule: Returns the active rule with a name; None if it does not exist.

    Returns:
        The engine's id and the plan; None if the id contains no valid plan. If the rule no longer exists, the plan has
        a rule with mode `off`, so the page keeps the engine's order.

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
        named_fields=kept.named_fields,
        chooses_fields=kept.chooses_fields,
        target=kept.target,
        index_options=kept.index_options,
    )
    return engine_id, plan


def _has_succeeded(status: Mapping[str, Any]) -> bool | None:
    """Return whether the search completed successfully; None if *status* is not from an async search."""
    running, partial, state = (status.get(name) for name in ("is_running", "is_partial", "state"))
    if isinstance(running, bool) and isinstance(partial, bool):
        return not running and not partial
    return state in _DONE if isinstance(state, str) and state in _STATES else None


def _pack(plan: Plan) -> bytes:
    """Serialize a plan. `fetch.phase` is omitted, because an async search is fetched in a single request."""
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
            named_fields=plan.named_fields,
            chooses_fields=plan.chooses_fields,
            target=plan.target,
            index_options=plan.index_options,
        )
    )


def _page_only(plan: Plan) -> Plan:
    """Return a plan that only cuts the client's page out of the fetched hits, in the engine's order."""
    rule = replace(plan.rule, template=None)
    return replace(
        plan,
        text="",
        rule=rule,
        passage_fields=(),
        extra_fields=(),
        client_fields=(),
        named_fields=(),
        chooses_fields=False,
        target="",
    )


def _unpack(packed: str) -> _PackedPlan | None:
    """Decode the packed plan of an id; None unless it is exactly one plan within the size limit."""
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        inflater = zlib.decompressobj()
        plain = inflater.decompress(data, _MAX_PLAN_BYTES)
        if not inflater.eof or inflater.unused_data:
            return None
        return msgpack.decode(plain, type=_PackedPlan)
    except (ValueError, zlib.error):
        return None


def _is_possible(kept: _PackedPlan) -> bool:
    """Return whether es-rerank may have created this plan: its values do not contradict each other."""
    return (
        kept.fetch_from <= kept.start
        and bool(kept.text) == bool(kept.passage_fields)
        and (kept.min_score is None or math.isfinite(kept.min_score))
    )


def _with_request(rule: Rule, kept: _PackedPlan) -> Rule:
    """Return the rule, changed by the options that the client's request set explicitly."""
    if kept.chunks:
        rule = replace(rule, long=replace(rule.long, mode=LongDocumentMode.MAX_PASSAGE))
    return replace(rule, template=None) if kept.no_template else rule
