"""Which requests carry searches: one row per method and path. A request without a row is passed through."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import unquote, unquote_plus

import msgspec

from es_rerank.jsonspan import elements
from es_rerank.model import RerankRequest, Search, SearchBody, Skip, Why
from es_rerank.search.formats.native_reranker import Resolved, resolve

# Gives the model its query text, whatever the search says.
QUERY_HEADER = "X-Rerank-Query"

# URL parameters that say which indices an expression may leave out.
INDEX_OPTIONS = frozenset({"allow_no_indices", "expand_wildcards", "ignore_unavailable"})


class Endpoint(StrEnum):
    """Every endpoint that is not just passed through, named as in the documentation of the engines."""

    SEARCH = "_search"
    SEARCH_TEMPLATE = "_search/template"
    MULTI_SEARCH = "_msearch"
    MULTI_SEARCH_TEMPLATE = "_msearch/template"
    ASYNC_SEARCH = "_async_search"
    ASYNC_SEARCH_ID = "_async_search/{id}"
    RANK_EVAL = "_rank_eval"
    INFERENCE = "_inference/{id}"
    # Only their responses are changed, and only if the settings ask for it.
    ROOT = "/"
    NODES = "_nodes"
    POINT_IN_TIME = "_pit"


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """Methods and a path of an endpoint.

    Attributes:
        endpoint: The endpoint.
        methods: HTTP methods.
        path: Pattern of the raw path; its group `target` is the index expression, `id` an id.
        own: Whether es-rerank answers by itself, without an engine.
        ids: The ids that the row is for; None means all.

    """

    endpoint: Endpoint
    methods: frozenset[str]
    path: re.Pattern[str]
    own: bool = False
    ids: frozenset[str] | None = None


def row(endpoint: Endpoint, methods: Collection[str], path: str, *, own: bool = False) -> EndpointRow:
    """Return a row; a trailing slash in the path makes no difference."""
    return EndpointRow(endpoint, frozenset(methods), re.compile(path + "/?$"), own)


_READ = frozenset({"GET", "POST"})
_TARGET = r"^/(?:(?P<target>[^/_][^/]*|_all)/)?"
# Elasticsearch 7 still accepts a type after the index.
_TYPED = r"^/(?:(?P<target>[^/_][^/]*|_all)/(?:[^/_][^/]*/)?)?"
_OPENSEARCH_ASYNC = r"^/_(?:plugins|opendistro)/_asynchronous_search"

ENDPOINTS = (
    row(Endpoint.SEARCH, _READ, _TYPED + "_search"),
    row(Endpoint.SEARCH_TEMPLATE, _READ, _TYPED + "_search/template"),
    row(Endpoint.MULTI_SEARCH, _READ, _TYPED + "_msearch"),
    row(Endpoint.MULTI_SEARCH_TEMPLATE, _READ, _TYPED + "_msearch/template"),
    row(Endpoint.ASYNC_SEARCH, {"POST"}, _TARGET + "_async_search"),
    row(Endpoint.ASYNC_SEARCH, {"POST"}, _OPENSEARCH_ASYNC),
    row(Endpoint.ASYNC_SEARCH_ID, {"GET", "DELETE"}, r"^/_async_search/(?P<id>(?!status/?$)[^/]+)"),
    row(Endpoint.ASYNC_SEARCH_ID, {"GET"}, r"^/_async_search/status/(?P<id>[^/]+)"),
    row(Endpoint.ASYNC_SEARCH_ID, {"GET", "DELETE"}, _OPENSEARCH_ASYNC + r"/(?P<id>(?!stats/?$)[^/]+)"),
    row(Endpoint.RANK_EVAL, _READ, _TARGET + "_rank_eval"),
    row(Endpoint.INFERENCE, {"POST"}, r"^/_inference/(?:rerank/)?(?P<id>[^/_][^/]*)", own=True),
)

# Media types whose body is JSON text: application/json and the vendor types of Elasticsearch 8 and 9.
_JSON_TYPE = re.compile(
    r"^\s*(application/(json|x-ndjson|vnd\.elasticsearch\+(json|x-ndjson)|\*)|text/plain|\*/\*)\s*($|[;,])",
    re.IGNORECASE,
)
# Far below the depth of `filter_path` that Elasticsearch refuses (1,024).
_MAX_FILTER_PATH_DEPTH = 500
# Each search of a request keeps its plan and its response in memory.
MAX_SEARCHES = 1000
# The engines know fewer than a hundred members, and refuse any other.
_MAX_MEMBERS = 1000
# Levels of nesting that are kept free for functions that read a search again at a greater depth of the call stack.
_SPARE_LEVELS = 50
_OTHER_FORMATS = frozenset({"yaml", "cbor", "smile"})


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """One request to a known endpoint.

    Attributes:
        target: The decoded index expression; empty means every index.
        query_string: The raw query string.
        headers: The request headers; names in any case.
        endpoint: The endpoint.
        path: The raw path.
        id: The decoded id of the path; empty if it has none.
        own: Whether es-rerank answers by itself, without an engine.
        params: The decoded URL parameters.

    """

    target: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    endpoint: Endpoint = Endpoint.SEARCH
    path: str = ""
    id: str = ""
    own: bool = False
    params: Mapping[str, str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Decode the URL parameters."""
        object.__setattr__(self, "params", parameters(self.query_string))


@dataclass(frozen=True, slots=True)
class ParsedSearch:
    """One search of a request, not yet decoded.

    Attributes:
        target: The decoded index expression.
        params: The decoded URL parameters that apply to this search.
        body: The search body; of a template, what the client sent in its place.
        template: The body for `_render/template`, which returns the search body; None for a plain search.
        header: The header line in an `_msearch`; None elsewhere.

    """

    target: str
    params: Mapping[str, str]
    body: bytes
    template: bytes | None = None
    header: bytes | None = None


def in_force(ids: Collection[str]) -> tuple[EndpointRow, ...]:
    """Return the rows, those that es-rerank answers by itself only for these ids."""
    return tuple(replace(one, ids=frozenset(ids)) if one.own else one for one in ENDPOINTS)


def match(
    method: str, raw_path: str, headers: Mapping[str, str], rows: Iterable[EndpointRow] = ENDPOINTS
) -> EndpointRequest | None:
    """Return the request as one of its endpoint; None if it is passed through."""
    path, _, query_string = raw_path.partition("?")
    for candidate in rows:
        found = candidate.path.match(path) if method in candidate.methods else None
        groups = {name: unquote(value or "") for name, value in found.groupdict().items()} if found else {}
        id_ = groups.get("id", "")
        if found and (candidate.ids is None or id_ in candidate.ids):
            target = groups["target"] if "target" in groups else parameters(query_string).get("index", "")
            return EndpointRequest(target, query_string, headers, candidate.endpoint, path, id_, candidate.own)
    return None


def parameters(query_string: str) -> dict[str, str]:
    """Decode URL parameters; of a repeated one the last counts, as in the engines."""
    pairs = (pair.partition("=") for pair in query_string.split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def unreadable(request: EndpointRequest, body: bytes) -> Skip | None:
    """Return the skip of a request whose body is no JSON, or that engines refuse or read in different ways."""
    params = request.params
    ambiguous = "source" in params and (bool(body.strip()) or "source_content_type" not in params)
    deep = params.get("filter_path", "").count(".") > _MAX_FILTER_PATH_DEPTH
    if ambiguous or deep or ";" in request.query_string:
        return Skip(Why.UNREADABLE)
    media_type = request.headers.get("Content-Type", "") if body else params.get("source_content_type", "")
    return Skip(Why.FORMAT) if media_type and not _JSON_TYPE.match(media_type) else None


def wants_other_format(request: EndpointRequest) -> bool:
    """Return whether the response is asked for as something else than JSON."""
    accepted = request.headers.get("Accept", "")
    is_json = request.params.get("format", "json").lower() not in _OTHER_FORMATS
    return not is_json or (bool(accepted) and not _JSON_TYPE.match(accepted))


def content(request: EndpointRequest, body: bytes) -> bytes:
    """Return the body of a request, or the URL parameter that stands for it."""
    return body.strip() or request.params.get("source", "").encode()


def decode(request: EndpointRequest, parsed: ParsedSearch, rendered: bytes | None = None) -> Search | Skip:
    """Decode one search of a request, once.

    Args:
        request: The request that carries the search.
        parsed: The search.
        rendered: The body that its template rendered to.

    Returns:
        The search, or a skip if it cannot be read: then the engine words its own error.

    """
    if parsed.template is not None and rendered is None:
        return Skip(Why.UNREADABLE)
    try:
        return _decode(request, parsed, parsed.body if rendered is None else rendered)
    except (ValueError, RecursionError):
        return Skip(Why.UNREADABLE)


def _decode(request: EndpointRequest, parsed: ParsedSearch, raw: bytes) -> Search | Skip:
    """Decode a body, and what it asks of a reranker. Raises ValueError or RecursionError if it cannot be read."""
    if raw and len(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])) > _MAX_MEMBERS:
        return Skip(Why.TOO_LARGE)
    # A native reranker has one of these in its name, which may be written with escapes.
    asks_by_name = b"rerank" in raw or b"\\u" in raw
    resolved = resolve(raw, parsed.params.get("search_pipeline")) if asks_by_name else Resolved(raw)
    if resolved.raw:
        elements(b"[" * _SPARE_LEVELS + resolved.raw + b"]" * _SPARE_LEVELS)
    body = SearchBody.parse(resolved.raw)
    if resolved.native:
        return Skip(Why.OWN_RERANKER)
    return Search(parsed.target, parsed.params, body, resolved.rerank_request or _from_header(request.headers))


def _from_header(headers: Mapping[str, str]) -> RerankRequest | None:
    """Read the query text for the model from its header, whose bytes are UTF-8."""
    value = headers.get(QUERY_HEADER, "")
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip() if value else ""
    return RerankRequest(text) if text else None
