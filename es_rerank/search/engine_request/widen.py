"""Turns the client's request into the one the engine gets: a wider page, and the text the model needs.

Of a search with a URL of its own, `from` and `size` go there, where they stand above the body: so a body leaves as the
bytes it came in, unless fields must be asked for beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_plus

import msgspec
from msgspec import Raw

from es_rerank.model import Plan, Search
from es_rerank.search.engine_request.two_phase import HIT_PARAMETERS, fetch_phase_body, query_phase_body

# `filter_path` is applied to the answer as it leaves. The engine gets one of the same kind that leaves all in, or takes
# nothing out: with a filter it writes each source anew.
_FILTER = "filter_path"
_ALL, _NOTHING = "**", "-es_rerank.nothing"
# The page is the plan's.
_PAGE = frozenset({"from", "size"})
# What the URL said in place of a body is sent as one.
INLINE = frozenset({"source", "source_content_type"})
_STORED = frozenset({"stored_fields", "_source", "_source_includes", "_source_excludes"})


def widen(query_string: str, search: Search, plan: Plan) -> tuple[str, bytes]:
    """Give the query string and the body for the engine."""
    dropped = _PAGE | (INLINE if search.raw else frozenset())
    if plan.light:
        dropped |= HIT_PARAMETERS
    if plan.bare:
        dropped |= _STORED
    page = [f"from={plan.fetch_from}", f"size={plan.fetch_size}"]
    return unfiltered(without(query_string, dropped, *page)), _body(search.raw, plan)


def widen_item(search: Search, plan: Plan) -> bytes:
    """Give the body for the engine of a search without a URL of its own."""
    page = {"from": plan.fetch_from, "size": plan.fetch_size}
    return msgspec.json.encode({**_members(_body(search.raw, plan)), **page})


def without(query_string: str, names: frozenset[str], *more: str) -> str:
    """Take parameters out of a query string and add *more*; all others stay as they were written."""
    pairs = [pair for pair in query_string.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in names]
    return "&".join([*pairs, *more])


def unfiltered(query_string: str) -> str:
    """Put a filter that changes nothing in the place of the client's."""
    asked = [pair for pair in query_string.split("&") if unquote_plus(pair.partition("=")[0]) == _FILTER]
    patterns = [one for one in unquote_plus(asked[-1].partition("=")[2]).split(",") if one] if asked else []
    if not patterns:
        return query_string
    neutral = _NOTHING if all(one.startswith("-") for one in patterns) else _ALL
    return without(query_string, frozenset({_FILTER}), f"{_FILTER}={neutral}")


def _body(raw: bytes, plan: Plan) -> bytes:
    """Write the body: light, cut to a page, or with what the model reads beside the client's own fields."""
    if plan.light:
        return query_phase_body(raw, plan.passage_fields)
    if plan.only is not None:
        return fetch_phase_body(raw, plan.only)
    if not plan.bare and not plan.extra_fields:
        return raw
    members = _members(raw)
    if plan.bare:
        # Neither source nor fields may be asked beside `stored_fields: _none_`.
        members = {name: value for name, value in members.items() if name != "stored_fields"} | {
            "_source": Raw(b"false")
        }
    return msgspec.json.encode({**members, "fields": _more(members.get("fields"), plan)})


def _more(asked: Raw | None, plan: Plan) -> object:
    """Add the extra fields to those that are asked for."""
    own = msgspec.json.decode(asked, type=list[Raw]) if asked is not None else []
    return [*own, *plan.extra_fields]


def _members(raw: bytes) -> Mapping[str, Raw]:
    """Decode a body into its members; no body is an empty one."""
    return msgspec.json.decode(raw or b"{}", type=dict[str, Raw])
