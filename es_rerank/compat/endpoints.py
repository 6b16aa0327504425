"""Which answers are shown otherwise than the engine wrote them. One row each, in force only where settings say so."""

from __future__ import annotations

from es_rerank.search.formats.endpoints import Endpoint, row

SNIFFED = (row("_nodes", {"GET"}, r"^/_nodes(?:/(?!(?:hot_threads|stats|usage)\b)[^/]+){0,2}"),)
PRESENTED = (
    row("info", {"GET"}, r"^"),
    row("_pit", {"POST"}, r"^/(?P<target>[^/_][^/]*|_all)/_pit"),
    row("_pit", {"DELETE"}, r"^/_pit"),
)


def rows(*, sniffed: bool, presented: bool) -> tuple[Endpoint, ...]:
    """List the rows in force: where clients look for nodes, and where an engine shows which one it is."""
    return (SNIFFED if sniffed else ()) + (PRESENTED if presented else ())
