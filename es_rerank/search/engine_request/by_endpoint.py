"""Builds the engine request for a planned search, for each endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from es_rerank.model import Plan, Search
from es_rerank.search.engine_request.widen import (
    BODY_PARAMETERS,
    only_parameters,
    widen,
    widen_item,
    without_filter_path,
    without_parameters,
)
from es_rerank.search.formats import multi_search, rank_eval
from es_rerank.search.formats.decode import content
from es_rerank.search.formats.endpoints import INDEX_OPTIONS, Endpoint, EndpointRequest, ParsedSearch
from es_rerank.search.formats.search_template import inline

_TEMPLATE = "/template"
_RANK_EVAL = "_rank_eval"
# URL parameters of `_rank_eval` that apply to its searches.
_RANK_EVAL_OPTIONS = INDEX_OPTIONS | {"search_type"}


class EngineRequest(NamedTuple):
    """A request to the engine: raw path, query string and body."""

    path: str
    query_string: str
    body: bytes

    @property
    def target(self) -> str:
        """Path and query string, as in a request line."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path


Bodies = Mapping[int, bytes]
"""New bodies for some searches of a request, by the position of the search."""


class EngineRequestRow(NamedTuple):
    """The functions that build engine requests for one endpoint.

    Attributes:
        write: Builds the request for a planned search.
        write_plain: Builds the client's request with new bodies for some searches; None for templates, which only the
            engine can render.
        two_phase: Whether a search may have a query phase and a fetch phase.

    """

    write: Callable[[EndpointRequest, Search, Plan], EngineRequest]
    write_plain: Callable[[EndpointRequest, bytes, Sequence[ParsedSearch], Bodies], EngineRequest] | None = None
    two_phase: bool = True


def _search(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Build the engine request for the only search of a client request, with the path of that request."""
    return EngineRequest(request.path, *widen(request.query_string, search, plan))


def _search_template(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Build a template request that renders to the search, so that the response has the format for templates."""
    query_string = without_filter_path(without_parameters(request.query_string, BODY_PARAMETERS))
    return EngineRequest(request.path, query_string, inline(widen_item(search, plan)))


def _multi_search(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Build an `_msearch` for one search of a client's `_msearch`. Templates are already rendered."""
    return multi_search_request(request, widen_item(search, plan))


def _rank_eval(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Build an `_msearch` for one search of a client's `_rank_eval`."""
    return rank_eval_request(request, widen_item(search, plan))


def multi_search_request(request: EndpointRequest, body: bytes) -> EngineRequest:
    """Return the `_msearch` request for the searches of an `_msearch` or `_msearch/template`."""
    path = request.path.rstrip("/").removesuffix(_TEMPLATE)
    return EngineRequest(path, without_filter_path(request.query_string), body)


def rank_eval_request(request: EndpointRequest, body: bytes) -> EngineRequest:
    """Return the `_msearch` request for the searches of a `_rank_eval`."""
    path = request.path.rstrip("/").removesuffix(_RANK_EVAL) + "_msearch"
    return EngineRequest(path, only_parameters(request.query_string, _RANK_EVAL_OPTIONS), body)


def with_body(request: EndpointRequest, body: bytes) -> EngineRequest:
    """Return the client's request with another body, without the URL parameters that can contain a body (`source`)."""
    return EngineRequest(request.path, without_parameters(request.query_string, BODY_PARAMETERS), body)


def rank_eval_with(request: EndpointRequest, body: bytes, changed: Bodies) -> EngineRequest:
    """Return the client's `_rank_eval` with new bodies for some searches."""
    return with_body(request, rank_eval.write(content(request, body), changed))


def _plain_search(
    request: EndpointRequest, _body: bytes, _parsed: Sequence[ParsedSearch], changed: Bodies
) -> EngineRequest:
    """Build the client's request with a new body for its only search."""
    return with_body(request, changed[0])


def _plain_multi_search(
    request: EndpointRequest, _body: bytes, parsed: Sequence[ParsedSearch], changed: Bodies
) -> EngineRequest:
    """Build the client's `_msearch` with new bodies for some searches."""
    lines = [(one.header or b"{}", changed.get(position, one.body)) for position, one in enumerate(parsed)]
    return EngineRequest(request.path, request.query_string, multi_search.write(lines))


def _plain_rank_eval(
    request: EndpointRequest, body: bytes, _parsed: Sequence[ParsedSearch], changed: Bodies
) -> EngineRequest:
    """Build the client's `_rank_eval` with new bodies for some searches."""
    return rank_eval_with(request, body, changed)


ENGINE_REQUESTS: Mapping[Endpoint, EngineRequestRow] = {
    Endpoint.SEARCH: EngineRequestRow(_search, _plain_search),
    Endpoint.SEARCH_TEMPLATE: EngineRequestRow(_search_template),
    Endpoint.MULTI_SEARCH: EngineRequestRow(_multi_search, _plain_multi_search),
    Endpoint.MULTI_SEARCH_TEMPLATE: EngineRequestRow(_multi_search),
    Endpoint.ASYNC_SEARCH: EngineRequestRow(_search, _plain_search, two_phase=False),
    Endpoint.RANK_EVAL: EngineRequestRow(_rank_eval, _plain_rank_eval, two_phase=False),
}


# Builds one `_msearch` for all searches of a client request with many searches.
MULTI_REQUESTS: Mapping[Endpoint, Callable[[EndpointRequest, bytes], EngineRequest]] = {
    Endpoint.MULTI_SEARCH: multi_search_request,
    Endpoint.MULTI_SEARCH_TEMPLATE: multi_search_request,
    Endpoint.RANK_EVAL: rank_eval_request,
}


def engine_request(request: EndpointRequest, search: Search, plan: Plan) -> EngineRequest:
    """Return the engine request for a planned search of a client request."""
    return ENGINE_REQUESTS[request.endpoint].write(request, search, plan)
