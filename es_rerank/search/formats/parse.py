"""Parses a request into its searches, for each endpoint with searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from es_rerank.model import Skip, Why
from es_rerank.search.formats import multi_search, rank_eval, search_template
from es_rerank.search.formats.decode import content, unreadable
from es_rerank.search.formats.endpoints import MAX_QUERY_STRING, Endpoint, EndpointRequest, ParsedSearch

Parse = Callable[[EndpointRequest, bytes], Sequence[ParsedSearch] | Skip]
"""(request, decoded body) -> the searches of the request, or a skip to pass the whole request to the engine."""


def _search(request: EndpointRequest, body: bytes) -> Sequence[ParsedSearch] | Skip:
    """Parse a request with one search."""
    return [ParsedSearch(request.target, request.params, content(request, body))]


def _search_template(request: EndpointRequest, body: bytes) -> Sequence[ParsedSearch] | Skip:
    """Parse a request with one template."""
    template = content(request, body)
    return [ParsedSearch(request.target, search_template.request_params(request.params), template, template)]


def _multi_search(request: EndpointRequest, body: bytes) -> Sequence[ParsedSearch] | Skip:
    """Parse a request with many searches."""
    return multi_search.read(body, request.target, request.params)


def _multi_search_template(request: EndpointRequest, body: bytes) -> Sequence[ParsedSearch] | Skip:
    """Parse a request with many templates."""
    return multi_search.read(body, request.target, request.params, templates=True)


def _rank_eval(request: EndpointRequest, body: bytes) -> Sequence[ParsedSearch] | Skip:
    """Parse a request with searches to be rated."""
    return rank_eval.read(content(request, body), request.target, request.params)


PARSERS: Mapping[Endpoint, Parse] = {
    Endpoint.SEARCH: _search,
    Endpoint.SEARCH_TEMPLATE: _search_template,
    Endpoint.MULTI_SEARCH: _multi_search,
    Endpoint.MULTI_SEARCH_TEMPLATE: _multi_search_template,
    Endpoint.ASYNC_SEARCH: _search,
    Endpoint.RANK_EVAL: _rank_eval,
}


def parse(request: EndpointRequest, body: bytes) -> Sequence[ParsedSearch] | Skip:
    """Return the searches of a request (at least one), or a skip for the whole request."""
    parser = PARSERS.get(request.endpoint)
    if parser is None:
        return Skip(Why.NOT_A_SEARCH)
    if len(request.query_string) > MAX_QUERY_STRING:
        return Skip(Why.TOO_COMPLEX)
    return unreadable(request, body) or parser(request, body)
