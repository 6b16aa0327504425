"""Turns the client's request into the one the engine gets: a wider page, and the text the model needs.

`from` and `size` go into the URL, where they stand above the body: so a body leaves as the bytes it came in, unless
fields must be asked for beside it.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_plus

import msgspec
from msgspec import Raw

from es_rerank.model import Plan
from es_rerank.search.split import HIT_PARAMETERS, light, only

# The page is the plan's, and `filter_path` is applied to the answer as it leaves.
_OURS = frozenset({"filter_path", "from", "size"})


def widen(query_string: str, body: bytes, plan: Plan) -> tuple[str, bytes]:
    """Give the query string and the body for the engine; a body sent as `?source=` stays there."""
    pairs = [pair for pair in query_string.split("&") if pair and _name(pair) not in _OURS]
    if plan.light:
        pairs = [pair for pair in pairs if _name(pair) not in HIT_PARAMETERS]
        body = light(body, plan.passage_fields)
    elif plan.only is not None:
        body = only(body, plan.only)
    elif plan.extra_fields:
        pairs, body = _with_fields(pairs, body, plan)
    return "&".join([*pairs, f"from={plan.fetch_from}", f"size={plan.fetch_size}"]), body


def _with_fields(pairs: list[str], body: bytes, plan: Plan) -> tuple[list[str], bytes]:
    """Add the extra fields to the search body, wherever it stands."""
    if body.strip():
        return pairs, _add(body, plan)
    sources = [pair for pair in pairs if _name(pair) == "source"]
    if not sources:
        return pairs, _add(b"{}", plan)
    inline = unquote_plus(sources[-1].partition("=")[2]).encode()
    rest = [pair for pair in pairs if _name(pair) != "source"]
    return [*rest, "source=" + quote(_add(inline, plan), safe="")], body


def _add(body: bytes, plan: Plan) -> bytes:
    """Add to `fields`; all other members stay the bytes they are."""
    members = msgspec.json.decode(body, type=dict[str, Raw])
    asked = msgspec.json.decode(members["fields"]) if "fields" in members else []
    fields = [*(asked if isinstance(asked, list) else [asked]), *plan.extra_fields]
    return msgspec.json.encode({**members, "fields": Raw(msgspec.json.encode(fields))})


def _name(pair: str) -> str:
    """Decode the name of a `name=value` pair."""
    return unquote_plus(pair.partition("=")[0])
