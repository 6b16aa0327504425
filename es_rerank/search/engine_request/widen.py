"""Builds the engine request from the client's request: it fetches the whole window and the fields that the model reads.

For a search with its own URL, `from` and `size` are set in the URL, where they take precedence over the body. The
client's body is then sent unchanged, unless extra fields must be requested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote_plus

import msgspec
from msgspec import Raw

from es_rerank.jsonspan import element_texts
from es_rerank.model import FetchPhase, Plan, Search
from es_rerank.search.engine_request.two_phase import PAGE_PARAMETERS, fetch_phase_body, query_phase_body

# es-rerank applies `filter_path` to the response itself. The engine request still has a filter, one that keeps
# everything, because the engine formats `_source` differently when there is a filter.
_FILTER_PATH = "filter_path"
_KEEP_ALL, _EXCLUDE_NOTHING = "**", "-es_rerank.nothing"
# Parameters that are replaced by the plan's `from` and `size`.
_PAGE = frozenset({"from", "size"})
# Parameters that contain the body. es-rerank sends it as a request body instead.
BODY_PARAMETERS = frozenset({"source", "source_content_type"})
_STORED_FIELDS = frozenset({"stored_fields", "_source", "_source_includes", "_source_excludes"})


def widen(query_string: str, search: Search, plan: Plan) -> tuple[str, bytes]:
    """Return the query string and body of the engine request for a search with its own URL."""
    dropped = _PAGE | (BODY_PARAMETERS if search.body.raw else frozenset())
    if plan.fetch.phase is FetchPhase.QUERY:
        dropped |= PAGE_PARAMETERS
    if plan.without_stored_fields:
        dropped |= _STORED_FIELDS
    page = [f"from={plan.fetch.from_}", f"size={plan.fetch.size}"]
    members = _members(search, plan)
    body = search.body.raw if members is None else msgspec.json.encode(members)
    return without_filter_path(without_parameters(query_string, dropped, *page)), body


def widen_item(search: Search, plan: Plan) -> bytes:
    """Return the body of the engine request for a search without its own URL, as in `_msearch`."""
    members = _members(search, plan)
    page = {"from": plan.fetch.from_, "size": plan.fetch.size}
    return msgspec.json.encode({**(search.body.members() if members is None else members), **page})


def without_parameters(query_string: str, names: frozenset[str], *more: str) -> str:
    """Return a query string without the parameters *names*, followed by *more*; other parameters are unchanged."""
    pairs = [pair for pair, name in _pairs(query_string) if pair and name not in names]
    return "&".join([*pairs, *more])


def only_parameters(query_string: str, names: frozenset[str]) -> str:
    """Return a query string with only the parameters whose names are in *names*."""
    return "&".join(pair for pair, name in _pairs(query_string) if name in names)


def without_filter_path(query_string: str) -> str:
    """Return a query string whose `filter_path`, if it has one, is replaced by a filter that keeps everything."""
    filters = [pair for pair, name in _pairs(query_string) if name == _FILTER_PATH]
    patterns = [one for one in unquote_plus(filters[-1].partition("=")[2]).split(",") if one] if filters else []
    if not patterns:
        return query_string
    neutral = _EXCLUDE_NOTHING if all(one.startswith("-") for one in patterns) else _KEEP_ALL
    return without_parameters(query_string, frozenset({_FILTER_PATH}), f"{_FILTER_PATH}={neutral}")


@lru_cache(maxsize=64)
def _pairs(query_string: str) -> Sequence[tuple[str, str]]:
    """Return each `name=value` pair with its decoded name. Cached, because several steps of a request need them."""
    return [(pair, unquote_plus(pair.partition("=")[0])) for pair in query_string.split("&")]


def _members(search: Search, plan: Plan) -> Mapping[str, object] | None:
    """Return the body members for the plan's phase; None if the client's body is sent unchanged."""
    if plan.fetch.phase is FetchPhase.QUERY:
        return query_phase_body(search.body, plan.passage_fields, stored=plan.reads_stored)
    if plan.fetch.phase is FetchPhase.FETCH:
        return fetch_phase_body(search.body, plan.fetch)
    if not plan.without_stored_fields and not plan.extra_fields:
        return None
    members: dict[str, object] = dict(search.body.members())
    fields = search.body.spans["fields"].of(search.body.raw) if "fields" in search.body.values else b"[]"
    if plan.without_stored_fields:
        # The engines reject `_source` and `fields` together with `stored_fields: _none_`.
        members.pop("stored_fields", None)
        members["_source"] = Raw(b"false")
    return {**members, "fields": [*map(Raw, element_texts(fields)), *plan.extra_fields]}
