"""The endpoints whose responses are rewritten for clients. One row each; the settings decide which are active."""

from __future__ import annotations

from es_rerank.search.formats.endpoints import Endpoint, EndpointRow, row

# Clients that sniff read the addresses of the nodes here and connect to them.
SNIFFING_ROWS = (row(Endpoint.NODES, {"GET"}, r"^/_nodes(?:/(?!(?:hot_threads|stats|usage)\b)[^/]+){0,2}"),)
# What differs between the engines and is read by clients that check which engine they are connected to.
EMULATION_ROWS = (
    row(Endpoint.ROOT, {"GET"}, r"^"),
    row(Endpoint.POINT_IN_TIME, {"POST"}, r"^/(?P<target>[^/_][^/]*|_all)/_pit"),
    row(Endpoint.POINT_IN_TIME, {"DELETE"}, r"^/_pit"),
)


def rows(*, sniffing: bool, emulation: bool) -> tuple[EndpointRow, ...]:
    """Return the active rows.

    Args:
        sniffing: rewrite node addresses, so that clients that sniff stay connected to this endpoint.
        emulation: show clients another engine version.

    """
    return (SNIFFING_ROWS if sniffing else ()) + (EMULATION_ROWS if emulation else ())
