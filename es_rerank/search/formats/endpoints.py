"""Which requests carry searches. One row an endpoint; a request without a row is streamed through."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote, unquote_plus

import msgspec

from es_rerank.jsonspan import elements, members
from es_rerank.model import RerankRequest, Search, Skip, Why
from es_rerank.search.formats.native_reranker import resolve

# `X-Rerank-Query` gives the model its query, whatever the search says.
QUERY_HEADER = "X-Rerank-Query"

# They say which indices an expression may leave out.
INDEX_OPTIONS = frozenset({"allow_no_indices", "expand_wildcards", "ignore_unavailable"})

_READ = frozenset({"GET", "POST"})
_TARGET = r"^/(?:(?P<target>[^/_][^/]*|_all)/)?"
# Elasticsearch 7 still takes a type after the index.
_TYPED = r"^/(?:(?P<target>[^/_][^/]*|_all)/(?:[^/_][^/]*/)?)?"
_ASYNC = r"^/_(?:plugins|opendistro)/_asynchronous_search"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Methods and a path that carry searches; its group `target` is the index expression, `id` an id in the path.

    What is `ours` no engine has to answer; then it is for these `ids` alone, if they are listed.
    """

    name: str
    methods: frozenset[str]
    path: re.Pattern[str]
    ours: bool = False
    ids: frozenset[str] | None = None


def row(name: str, methods: Collection[str], path: str, *, ours: bool = False) -> Endpoint:
    """Make a row; a slash at the end is as good as none."""
    return Endpoint(name, frozenset(methods), re.compile(path + "/?$"), ours)


ENDPOINTS = (
    row("_search", _READ, _TYPED + "_search"),
    row("_search/template", _READ, _TYPED + "_search/template"),
    row("_msearch", _READ, _TYPED + "_msearch"),
    row("_msearch/template", _READ, _TYPED + "_msearch/template"),
    row("_async_search", {"POST"}, _TARGET + "_async_search"),
    row("_async_search", {"POST"}, _ASYNC),
    row("_async_search/{id}", {"GET", "DELETE"}, r"^/_async_search/(?P<id>(?!status/?$)[^/]+)"),
    row("_async_search/{id}", {"GET"}, r"^/_async_search/status/(?P<id>[^/]+)"),
    row("_async_search/{id}", {"GET", "DELETE"}, _ASYNC + r"/(?P<id>(?!stats/?$)[^/]+)"),
    row("_rank_eval", _READ, _TARGET + "_rank_eval"),
    row("_inference/{id}", {"POST"}, r"^/_inference/(?:rerank/)?(?P<id>[^/_][^/]*)", ours=True),
)

# Media types whose body is JSON text: application/json and the vendor types of Elasticsearch 8 and 9.
_JSON_TYPE = re.compile(
    r"^\s*(application/(json|x-ndjson|vnd\.elasticsearch\+(json|x-ndjson)|\*)|text/plain|\*/\*)\s*($|[;,])",
    re.IGNORECASE,
)
# Far below the depth of `filter_path` that Elasticsearch refuses (1,024).
_DEEP = 500
# No client waits for more searches in one request; each keeps its plan and its answer in memory.
MOST_SEARCHES = 1000
# No search has that many members; the engines know fewer than a hundred, and refuse any other.
_MOST_MEMBERS = 1000
# Levels that are left for those who read a search once more, deeper in the program than its first reader.
_ROOM = 50
_OTHER_FORMATS = frozenset({"yaml", "cbor", "smile"})


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """One request to a known endpoint, as it came; `target` is the decoded index expression, `path` is not decoded.

    What is `ours` is for no engine.
    """

    target: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = "_search"
    path: str = ""
    id: str = ""
    ours: bool = False

    @property
    def params(self) -> dict[str, str]:
        """Decode the URL parameters."""
        return parameters(self.query_string)


def in_force(ids: Collection[str]) -> tuple[Endpoint, ...]:
    """List the rows, those of ours for such ids; any other id is the engine's own."""
    return tuple(replace(one, ids=frozenset(ids)) if one.ours else one for one in ENDPOINTS)


def match(
    method: str, raw_path: str, headers: Mapping[str, str], rows: Iterable[Endpoint] = ENDPOINTS
) -> EndpointRequest | None:
    """Find the row for a request, or None: then the request is streamed through."""
    path, _, query_string = raw_path.partition("?")
    for endpoint in rows:
        found = endpoint.path.match(path) if method in endpoint.methods else None
        groups = {name: unquote(value or "") for name, value in found.groupdict().items()} if found else {}
        id_ = groups.get("id", "")
        if found and (endpoint.ids is None or id_ in endpoint.ids):
            target = groups.get("target", parameters(query_string).get("index", ""))
            return EndpointRequest(target, query_string, headers, endpoint.name, path, id_, endpoint.ours)
    return None


def parameters(query_string: str) -> dict[str, str]:
    """Decode URL parameters; of a repeated one the last counts, as in the engines."""
    pairs = (pair.partition("=") for pair in query_string.split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def unreadable(request: EndpointRequest, body: bytes) -> Skip | None:
    """Skip a request whose body is no JSON, or that engines refuse or read in ways of their own."""
    params = request.params
    twice = "source" in params and (bool(body.strip()) or "source_content_type" not in params)
    deep = params.get("filter_path", "").count(".") > _DEEP
    if twice or deep or ";" in request.query_string:
        return Skip(Why.UNREADABLE)
    sent = request.headers.get("Content-Type", "") if body else params.get("source_content_type", "")
    return Skip(Why.FORMAT) if sent and not _JSON_TYPE.match(sent) else None


def other_answer(request: EndpointRequest) -> bool:
    """Tell whether the answer is asked for as something else than JSON."""
    accepted = request.headers.get("Accept", "")
    known = request.params.get("format", "json").lower() not in _OTHER_FORMATS
    return not known or (bool(accepted) and not _JSON_TYPE.match(accepted))


def content(request: EndpointRequest, body: bytes) -> bytes:
    """Give the request's body, or what stands for it in the URL."""
    return body.strip() or request.params.get("source", "").encode()


def read(request: EndpointRequest, body: bytes) -> Search | Skip:
    """Decode a request that is one search; what cannot be read is left to the engine, which words its own error."""
    found = unreadable(request, body)
    return found or search(request, request.target, request.params, content(request, body))


def search(request: EndpointRequest, target: str, params: Mapping[str, str], raw: bytes) -> Search | Skip:
    """Decode one of the searches that a request carries; *raw* is its body."""
    try:
        if len(msgspec.json.decode(raw or b"{}", type=dict[str, msgspec.Raw])) > _MOST_MEMBERS:
            return Skip(Why.TOO_LARGE)
        resolved = resolve(raw, params.get("search_pipeline"))
        found = Search(target, params, _decode(resolved.raw), resolved.raw, resolved.rerank_request)
    except (ValueError, RecursionError):
        return Skip(Why.UNREADABLE)
    if resolved.native:
        return Skip(Why.OWN_RERANKER)
    wanted = _wanted(request.headers)
    return replace(found, rerank_request=RerankRequest(wanted)) if wanted and not found.rerank_request else found


def _wanted(headers: Mapping[str, str]) -> str:
    """Read the query for the model from its header, whose bytes are UTF-8."""
    return headers.get(QUERY_HEADER, "").encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()


def _decode(text: bytes) -> dict[str, Any]:
    """Decode a search body; an empty one is an empty search. Raises ValueError for one that says a thing twice.

    Raises RecursionError for one so deep that not all could read it who will.
    """
    if not text:
        return {}
    members(text)
    elements(b"[" * _ROOM + text + b"]" * _ROOM)
    return msgspec.json.decode(text, type=dict[str, Any])
