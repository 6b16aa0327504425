"""The endpoints that es-rerank handles, by method and path. All other requests are passed through."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import unquote, unquote_plus

from es_rerank.model import DEFAULT_BUDGET, PlanningBudget

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


class Role(StrEnum):
    """The kinds of endpoints, by the way in which es-rerank handles them.

    SEARCHES: the request has searches, which the client can exclude from reranking with `X-Rerank-Mode: off`.
    RESULTS: the path has an id that es-rerank issued, so it must always be replaced by the engine's id.
    OWN: es-rerank answers the request itself, without the engine.
    COMPAT: the request has no searches; its response is rewritten for clients of another engine or version.
    """

    SEARCHES = auto()
    RESULTS = auto()
    OWN = auto()
    COMPAT = auto()


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """A row of the table of endpoints: HTTP methods and a path pattern.

    Attributes:
        endpoint: The endpoint.
        methods: HTTP methods.
        path: Pattern of the raw path; the group `target` is the index expression, the group `id` an id.
        role: The kind of endpoint.
        ids: The ids in a path that the row applies to; None means all ids.

    """

    endpoint: Endpoint
    methods: frozenset[str]
    path: re.Pattern[str]
    role: Role = Role.SEARCHES
    ids: frozenset[str] | None = None


def row(endpoint: Endpoint, methods: Collection[str], path: str, role: Role = Role.SEARCHES) -> EndpointRow:
    """Return a row whose path pattern also matches a trailing slash."""
    return EndpointRow(endpoint, frozenset(methods), re.compile(path + "/?$"), role)


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
    row(Endpoint.ASYNC_SEARCH_ID, {"GET", "DELETE"}, r"^/_async_search/(?P<id>(?!status/?$)[^/]+)", Role.RESULTS),
    row(Endpoint.ASYNC_SEARCH_ID, {"GET"}, r"^/_async_search/status/(?P<id>[^/]+)", Role.RESULTS),
    row(Endpoint.ASYNC_SEARCH_ID, {"GET", "DELETE"}, _OPENSEARCH_ASYNC + r"/(?P<id>(?!stats/?$)[^/]+)", Role.RESULTS),
    row(Endpoint.RANK_EVAL, _READ, _TARGET + "_rank_eval"),
    row(Endpoint.INFERENCE, {"POST"}, r"^/_inference/(?:rerank/)?(?P<id>[^/_][^/]*)", Role.OWN),
)

# Above the engines' own limit, by default 4 KB, because each character may need decoding.
MAX_QUERY_STRING = 16 * 1024
# Limited because the plan and the response of each search are held in memory.
MAX_SEARCHES = 1000


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
        role: The kind of endpoint.

    """

    target: str
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    endpoint: Endpoint = Endpoint.SEARCH
    path: str = ""
    id: str = ""
    role: Role = Role.SEARCHES

    @property
    def params(self) -> Mapping[str, str]:
        """The decoded URL parameters."""
        return parameters(self.query_string)


@dataclass(frozen=True, slots=True)
class ParsedSearch:
    """One search of a request, not yet decoded.

    Attributes:
        target: The decoded index expression.
        params: The decoded URL parameters that apply to this search.
        body: The search body; for a template, the template request's body.
        template: The request body for `_render/template`, which returns the search body; None for a plain search.
        header: The header line in an `_msearch`; None at other endpoints.
        budget: Limits on the size of the body and the complexity of the query, so that planning the search is fast.

    """

    target: str
    params: Mapping[str, str]
    body: bytes
    template: bytes | None = None
    header: bytes | None = None
    budget: PlanningBudget = field(default=DEFAULT_BUDGET, compare=False)


def in_force(ids: Collection[str]) -> tuple[EndpointRow, ...]:
    """Return the rows of all endpoints; those that es-rerank answers itself match only paths with one of *ids*."""
    return tuple(replace(one, ids=frozenset(ids)) if one.role is Role.OWN else one for one in ENDPOINTS)


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
            return EndpointRequest(target, query_string, headers, candidate.endpoint, path, id_, candidate.role)
    return None


def index_options(params: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the URL parameters that control how index expressions are resolved, sorted by name."""
    return tuple((name, params[name]) for name in sorted(INDEX_OPTIONS & params.keys()))


@lru_cache(maxsize=64)
def parameters(query_string: str) -> Mapping[str, str]:
    """Return the decoded URL parameters; the last value of a repeated parameter, as in the engines.

    Cached, because decoding is slow and the steps of a request need the parameters again.
    """
    pairs = (pair.partition("=") for pair in query_string.split("&") if pair)
    return MappingProxyType({_decoded(name): _decoded(value) for name, _, value in pairs})


def _decoded(text: str) -> str:
    """Return the decoded name or value of a URL parameter."""
    return unquote_plus(text) if "%" in text or "+" in text else text
