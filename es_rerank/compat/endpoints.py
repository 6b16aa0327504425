"""Which answers are shown otherwise than the engine wrote them. One row each, in force only where settings say so."""

from __future__ import annotations

from es_rerank.search.formats.endpoints import Endpoint, EndpointRow, row

SNIFFED = (row(Endpoint.NODES, {"GET"}, r"^/_nodes(?:/(?!(?:hot_threads|stats|usage)\b)[^/]+){0,2}"),)
PRESENTED = (
    row(Endpoint.ROOT, {"GET"}, r"^"),
    row(Endpoint.POINT_IN_TIME, {"POST"}, r"^/(?P<target>[^/_][^/]*|_all)/_pit"),
    row(Endpoint.POINT_IN_TIME, {"DELETE"}, r"^/_pit"),
)


def rows(*, sniffed: bool, presented: bool) -> tuple[EndpointRow, ...]:
    """List the rows in force: where clients look for nodes, and where an engine shows which one it is."""
    return (SNIFFED if sniffed else ()) + (PRESENTED if presented else ())
