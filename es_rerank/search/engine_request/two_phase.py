"""Fetches a wide window light, then the page in full, where both together give the same answer.

That keeps the window cheap, and the client's view of a hit as the engine writes it: with fields beside a filtered
source it writes the source in another order. What costs time for every hit (highlights, inner hits, script fields,
explanations) and what the answer has anyway (aggregations) is left out of the wide request; the second one is the
client's own, cut to the hits of its page with a `post_filter`, which touches neither scores nor aggregations. Only
`hits.total` and `max_score` come from the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from es_rerank.jsonspan import elements, members
from es_rerank.model import IndexInfo, Plan, Search

_COSTLY = ("highlight", "script_fields", "explain")
_DROPPED = frozenset({*_COSTLY, "aggs", "aggregations", "docvalue_fields", "fields", "stored_fields", "suggest"})
_KEPT = frozenset(
    {
        "from",
        "indices_boost",
        "min_score",
        "post_filter",
        "query",
        "runtime_mappings",
        "seq_no_primary_term",
        "size",
        "sort",
        "timeout",
        "track_scores",
        "track_total_hits",
        "version",
        "_source",
    }
)
# They change which hits there are, or carry the body or parts of it outside of it.
_IN_THE_WAY = frozenset({"search_pipeline", "source", "suggest_field", "terminate_after"})
HIT_PARAMETERS = frozenset(
    {"_source", "_source_includes", "_source_excludes", "docvalue_fields", "explain", "stored_fields"}
)
_INNER_HITS = b'"inner_hits"'
_WORTH_IT = 2


def two_phase_applies(search: Search, info: IndexInfo, plan: Plan, *, beside: bool) -> bool:
    """Tell whether two requests are better than one and give the same answer.

    `beside`: in one, fields would have to be asked for beside the client's own. Only requests made of known parts, on
    indices of this cluster.
    """
    body = search.body
    costly = (
        any(body.get(part) for part in _COSTLY)
        or search.params.get("explain") in {"", "true"}
        or _INNER_HITS in search.raw
    )
    known = body.keys() <= _KEPT | _DROPPED and not search.params.keys() & _IN_THE_WAY
    small = 0 < (plan.start + plan.size) * _WORTH_IT <= plan.window
    return (beside or (small and costly)) and known and _named(info) and bool(body or "q" in search.params)


def _named(info: IndexInfo) -> bool:
    """Tell whether the indices are known by name, so that index and id name one document; remote ones are not."""
    return bool(info.names) and not any(":" in name for name in info.names)


def query_phase_body(body: bytes, fields: Sequence[str]) -> bytes:
    """Write the wide request: the same hits and scores, with nothing but the fields that the model reads."""
    parts = msgspec.json.decode(body or b"{}", type=dict[str, Raw])
    kept = {name: Raw(_without_inner_hits(bytes(raw))) for name, raw in parts.items() if name not in _DROPPED}
    return msgspec.json.encode({**kept, "_source": list(fields)})


def _without_inner_hits(text: bytes) -> bytes:
    """Take `inner_hits` out of the clauses of a query, which have it beside their own `query`; they do not score."""
    if _INNER_HITS not in text:
        return text
    if text.startswith(b"["):
        return b"[" + b",".join(map(_without_inner_hits, elements(text))) + b"]"
    try:
        parts = members(text) if text.startswith(b"{") else {}
    except ValueError:
        # It says a thing twice, which is for the engine to judge, as it came.
        return text
    left = [name for name in parts if not (name == "inner_hits" and "query" in parts)]
    kept = (text[parts[name].key : parts[name].start] + _without_inner_hits(parts[name].of(text)) for name in left)
    return b"{" + b",".join(kept) + b"}" if parts else text


def fetch_phase_body(body: bytes, hits: Sequence[tuple[str, str]]) -> bytes:
    """Write the client's request, cut to these documents, each an index and an id."""
    parts = msgspec.json.decode(body or b"{}", type=dict[str, Raw])
    filters: list[object] = [_documents(hits)]
    if "post_filter" in parts:
        filters.append(parts["post_filter"])
    return msgspec.json.encode({**parts, "post_filter": {"bool": {"filter": filters}}})


def _documents(hits: Sequence[tuple[str, str]]) -> object:
    """Write the filter for documents."""
    by_index: dict[str, list[str]] = {}
    for index, name in hits:
        by_index.setdefault(index, []).append(name)
    each = [
        {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": names}}]}}
        for index, names in by_index.items()
    ]
    return each[0] if len(each) == 1 else {"bool": {"should": each}}
