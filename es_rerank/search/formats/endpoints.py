"""The endpoints that es-rerank handles, by method and path. All other requests are passed through."""

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

# Overrides the query text for the model.
QUERY_HEADER = "X-Rerank-Query"

# URL parameters that control how index expressions are resolved.
INDEX_OPTIONS = frozenset({"allow_no_indices", "expand_wildcards", "ignore_unavailable"})


class Endpoint(StrEnum):
    """The endpoints that es-rerank handles, named as in the engines' documentation."""

    SEARCH = "_search"
    SEARCH_TEMPLATE = "_search/template"
    MULTI_SEARCH = "_msearch"
    MULTI_SEARCH_TEMPLATE = "_msearch/template"
    ASYNC_SEARCH = "_async_search"
    ASYNC_SEARCH_ID = "_async_search/{id}"
    RANK_EVAL = "_rank_eval"
    INFERENCE = "_inference/{id}"
    # For these endpoints only responses are changed, and only if enabled in the settings.
    ROOT = "/"
    NODES = "_nodes"
    POINT_IN_TIME = "_pit"


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """HTTP methods and a path pattern of an endpoint.

    Attributes:
        endpoint: The endpoint.
        methods: HTTP methods.
        path: Pattern of the raw path; the group `target` is the index expression, the group `id` an id.
        own: Whether es-rerank answers the request itself, without the engine.
        ids: Ids that the row applies to; None means all.

    """

    endpoint: Endpoint
    methods: frozenset[str]
    path: re.Pattern[str]
    own: bool = False
    ids: frozenset[str] | None = None


def row(endpoint: Endpoint, methods: Collection[str], path: str, *, own: bool = False) -> EndpointRow:
    """Create a row; a trailing slash in the request path is ignored."""
    return EndpointRow(endpoint, frozenset(methods), re.compile(path + "/?$"), own)


_READ = frozenset({"GET", "POST"})
_TARGET = r"^/(?:(?P<target>[^/_][^/]*|_all)/)?"
# Elasticsearch 7 still accepts a mapping type after the index.
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
# Well below the depth at which Elasticsearch rejects `filter_path` (1,024).
_MAX_FILTER_PATH_DEPTH = 500
# Limited because the plan and the response of each search are held in memory.
MAX_SEARCHES = 1000
# The engines know fewer than 100 members, and reject unknown ones.
_MAX_MEMBERS = 1000
# Nesting levels reserved below the JSON decoder's limit, because later code parses parts of a search from deeper in the
# call stack.
_SPARE_LEVELS = 50
_OTHER_FORMATS = frozenset({"yaml", "cbor", "smile"})


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """One request to a known endpoint.

    Attributes:
        target: The decoded index expression; empty means all indices.
        query_string: The raw query string.
        headers: The request headers, in a mapping that ignores case.
        endpoint: The endpoint.
        path: The raw path.
        id: The decoded id in the path; empty if there is none.
        own: Whether es-rerank answers the request itself, without the engine.
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
        body: The search body; for a template, the template request's body.
        template: The request body for `_render/template`, which returns the search body; None for a plain search.
        header: The header line in an `_msearch`; None at other endpoints.

    """

    target: str
    params: Mapping[str, str]
    body: bytes
    template: bytes | None = None
    header: bytes | None = None


def in_force(ids: Collection[str]) -> tuple[EndpointRow, ...]:
    """Return the active rows: rows that es-rerank answers itself are restricted to these ids."""
    return tuple(replace(one, ids=frozenset(ids)) if one.own else one for one in ENDPOINTS)


def match(
    method: str, raw_path: str, headers: Mapping[str, str], rows: Iterable[EndpointRow] = ENDPOINTS
) -> EndpointRequest | None:
    """Return the request if its method and path match one of the rows; None if it must be passed through."""
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
    """Decode URL parameters; if one is repeated, the last value is used, as in the engines."""
    pairs = (pair.partition("=") for pair in query_string.split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def unreadable(request: EndpointRequest, body: bytes) -> Skip | None:
    """Return a skip if the body is not JSON, or if the engines reject the request or interpret it differently."""
    params = request.params
    ambiguous = "source" in params and (bool(body.strip()) or "source_content_type" not in params)
    deep = params.get("filter_path", "").count(".") > _MAX_FILTER_PATH_DEPTH
    if ambiguous or deep or ";" in request.query_string:
        return Skip(Why.UNREADABLE)
    media_type = request.headers.get("Content-Type", "") if body else params.get("source_content_type", "")
    return Skip(Why.FORMAT) if media_type and not _JSON_TYPE.match(media_type) else None


def wants_other_format(request: EndpointRequest) -> bool:
    """Return whether the client requests a response format other than JSON."""
    accepted = request.headers.get("Accept", "")
    is_json = request.params.get("format", "json").lower() not in _OTHER_FORMATS
    return not is_json or (bool(accepted) and not _JSON_TYPE.match(accepted))


def content(request: EndpointRequest, body: bytes) -> bytes:
    """Return the body of a request or, if empty, the URL parameter `source`."""
    return body.strip() or request.params.get("source", "").encode()


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
    except (ValueError, RecursionError):
        return Skip(Why.UNREADABLE)


def _decode(request: EndpointRequest, parsed: ParsedSearch, raw: bytes) -> Search | Skip:
    """Decode a search body and its explicit reranking options. Raises ValueError or RecursionError if it is invalid."""
    if raw and len(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])) > _MAX_MEMBERS:
        return Skip(Why.TOO_LARGE)
    # Every native reranker has "rerank" in its member name, which may contain escape sequences.
    asks_by_name = b"rerank" in raw or b"\\u" in raw
    resolved = resolve(raw, parsed.params.get("search_pipeline")) if asks_by_name else Resolved(raw)
    if resolved.raw:
        elements(b"[" * _SPARE_LEVELS + resolved.raw + b"]" * _SPARE_LEVELS)
    body = SearchBody.parse(resolved.raw)
    if resolved.native:
        return Skip(Why.OWN_RERANKER)
    return Search(parsed.target, parsed.params, body, resolved.rerank_request or _from_header(request.headers))


def _from_header(headers: Mapping[str, str]) -> RerankRequest | None:
    """Return the rerank request of the `X-Rerank-Query` header, decoded as UTF-8; None without a text."""
    value = headers.get(QUERY_HEADER, "")
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip() if value else ""
    return RerankRequest(text) if text else None
