"""Builds the bodies of the query phase and the fetch phase of a search.

The query phase fetches the window with only the fields that the model reads, so that a large window stays cheap. The
fetch phase is the client's own request, restricted to the hits of its page with a `post_filter`, which changes neither
scores nor aggregations. The hits in the response are therefore exactly as the engine serializes them. Only
`hits.total` and `max_score` come from the query phase.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from es_rerank.jsonspan import element_texts, members
from es_rerank.model import FetchSpec, SearchBody
from es_rerank.search.documents import documents_query
from es_rerank.search.phases import PAGE_PARTS
from es_rerank.search.recorded import shown_order

# URL parameters that are only needed for the hits of the page.
PAGE_PARAMETERS = frozenset(
    {"_source", "_source_includes", "_source_excludes", "docvalue_fields", "explain", "stored_fields"}
)
# With `ext`, a plugin may record the hits in the response. Only the fetch phase returns exactly the client's hits.
_PAGE_PARTS = PAGE_PARTS | {"ext"}
_INNER_HITS = b'"inner_hits"'


def query_phase_body(body: SearchBody, fields: Sequence[str], *, stored: bool = False) -> dict[str, Raw]:
    """Return the body members of the query phase, for the same hits, but with only the fields that the model reads.

    Args:
        body: The client's body.
        fields: The fields that the model reads.
        stored: Whether to request the fields as stored fields, for indices without `_source`.

    """
    kept = {
        name: Raw(_without_inner_hits(bytes(raw))) for name, raw in body.members().items() if name not in _PAGE_PARTS
    }
    names = Raw(msgspec.json.encode(list(fields)))
    return {**kept, "_source": Raw(b"false"), "stored_fields": names} if stored else {**kept, "_source": names}


def fetch_phase_body(body: SearchBody, fetch: FetchSpec) -> dict[str, Raw]:
    """Return the body members of the fetch phase: the client's request, restricted to the hits of the page."""
    parts = body.members()
    filters: list[object] = [documents_query(fetch.only)]
    if "post_filter" in parts:
        filters.append(parts["post_filter"])
    restricted = {**parts, "post_filter": Raw(msgspec.json.encode({"bool": {"filter": filters}}))}
    return {**restricted, "rescore": Raw(msgspec.json.encode(shown_order(fetch.only)))} if fetch.ordered else restricted


def _without_inner_hits(text: bytes) -> bytes:
    """Return the JSON text without each `inner_hits` that is next to a `query`; `inner_hits` do not affect scores."""
    if _INNER_HITS not in text:
        return text
    if text.startswith(b"["):
        return b"[" + b",".join(_without_inner_hits(one) for one in element_texts(text)) + b"]"
    try:
        parts = members(text) if text.startswith(b"{") else {}
    except ValueError:
        # The text has a duplicate key; the engine handles it.
        return text
    left = [name for name in parts if not (name == "inner_hits" and "query" in parts)]
    kept = (text[parts[name].key : parts[name].start] + _without_inner_hits(parts[name].of(text)) for name in left)
    return b"{" + b",".join(kept) + b"}" if parts else text
