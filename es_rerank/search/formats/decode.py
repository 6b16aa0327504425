"""Decodes the searches of a request. Bodies that the engines may parse differently from es-rerank are skipped."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from es_rerank import jsonspan
from es_rerank.jsonspan.repair import without_comments
from es_rerank.model import RerankRequest, Search, SearchBody, Skip, Why
from es_rerank.search.formats.endpoints import EndpointRequest, ParsedSearch
from es_rerank.search.formats.native_reranker import Resolved, resolve

# Name of the header that overrides the query text for the model.
QUERY_HEADER = "X-Rerank-Query"

# Media types whose body is JSON text: application/json and the vendor types of Elasticsearch 8 and 9.
_JSON_TYPE = re.compile(
    r"^\s*(application/(json|x-ndjson|vnd\.elasticsearch\+(json|x-ndjson)|\*)|text/plain|\*/\*)\s*($|[;,])",
    re.IGNORECASE,
)
# Maximum number of dots in `filter_path`, well below the depth at which Elasticsearch rejects it (1,024).
_MAX_FILTER_PATH_DEPTH = 500
# The engines know fewer than 100 members of a search body, and reject unknown ones.
_MAX_MEMBERS = 1000
# A search with a native reranker is parsed level by level, so that each level reads the text again.
_MAX_RESOLVED_BYTES = 1_000_000
_OTHER_FORMATS = frozenset({"yaml", "cbor", "smile"})
_OTHER_TYPE = re.compile("|".join(_OTHER_FORMATS), re.IGNORECASE)


def unreadable(request: EndpointRequest, body: bytes) -> Skip | None:
    """Return a skip if the body is not JSON, or if the engines reject the request or interpret it differently."""
    params = request.params
    in_url = "source" in params
    ambiguous = (in_url and bool(body.strip())) or in_url != ("source_content_type" in params)
    deep = params.get("filter_path", "").count(".") > _MAX_FILTER_PATH_DEPTH
    if ambiguous or deep or ";" in request.query_string:
        return Skip(Why.UNREADABLE)
    media_type = request.headers.get("Content-Type", "") if body else params.get("source_content_type", "")
    return Skip(Why.FORMAT) if media_type and not _JSON_TYPE.match(media_type) else None


def wants_other_format(request: EndpointRequest) -> bool:
    """Return whether the client requests a response format other than JSON."""
    accepted = request.headers.get("Accept", "")
    is_json = request.params.get("format", "json").lower() not in _OTHER_FORMATS
    # For any other type, such as `text/html`, the engines return JSON.
    return not is_json or bool(_OTHER_TYPE.search(accepted))


def content(request: EndpointRequest, body: bytes) -> bytes:
    """Return the body of a request or, if empty, the URL parameter `source`, without comments."""
    return without_comments(body.strip() or request.params.get("source", "").encode())


def decode(request: EndpointRequest, parsed: ParsedSearch, rendered: bytes | None = None) -> Search | Skip:
    """Decode one search of a request.

    Args:
        request: The request that contains the search.
        parsed: The search.
        rendered: The search body that its template rendered to.

    Returns:
        The search, or a skip if it is invalid. The engine then returns its own error.

    """
    if parsed.template is not None and rendered is None:
        return Skip(Why.UNREADABLE)
    try:
        return _decode(request, parsed, parsed.body if rendered is None else rendered)
    except ValueError:
        return Skip(Why.UNREADABLE)


def may_have_reranker(body: bytes) -> bool:
    """Return whether a body may name a native reranker: its member name contains `rerank`, or escape sequences."""
    return b"rerank" in body or b"\\u" in body


def _decode(request: EndpointRequest, parsed: ParsedSearch, raw: bytes) -> Search | Skip:
    """Decode a search body and its explicit reranking options. Raises ValueError if it is invalid."""
    if not parsed.budget.covers(raw):
        return Skip(Why.TOO_COMPLEX)
    if raw and len(jsonspan.decode(raw, dict[str, msgspec.Raw])) > _MAX_MEMBERS:
        return Skip(Why.TOO_LARGE)
    has_reranker = may_have_reranker(raw)
    if has_reranker and len(raw) > _MAX_RESOLVED_BYTES:
        return Skip(Why.TOO_COMPLEX)
    resolved = resolve(raw, parsed.params.get("search_pipeline")) if has_reranker else Resolved(raw)
    body = SearchBody.parse(resolved.raw)
    if resolved.native:
        return Skip(Why.OWN_RERANKER)
    return Search(
        parsed.target,
        parsed.params,
        body,
        resolved.rerank_request or _from_header(request.headers),
        without_reranker=resolved.rerank_request is not None,
        budget=parsed.budget,
        from_template=parsed.template is not None,
    )


def _from_header(headers: Mapping[str, str]) -> RerankRequest | None:
    """Return the rerank request of the `X-Rerank-Query` header, decoded as UTF-8; None if it has no text."""
    value = headers.get(QUERY_HEADER, "")
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip() if value else ""
    return RerankRequest(text, from_header=True) if text else None
