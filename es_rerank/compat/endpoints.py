"""The endpoints whose responses are rewritten for clients. One row each; the settings decide which are active."""

from __future__ import annotations

from es_rerank.search.formats.endpoints import Endpoint, row

# Clients that sniff read the addresses of the nodes here and connect to them.
SNIFFING_ROWS = (row("_nodes", {"GET"}, r"^/_nodes(?:/(?!(?:hot_threads|stats|usage)\b)[^/]+){0,2}"),)
# What differs between the engines and is read by clients that check which engine they are connected to.
EMULATION_ROWS = (
    row("info", {"GET"}, r"^"),
    row("_pit", {"POST"}, r"^/(?P<target>[^/_][^/]*|_all)/_pit"),
    row("_pit", {"DELETE"}, r"^/_pit"),
)


def rows(*, sniffing: bool, emulation: bool) -> tuple[Endpoint, ...]:
    """Return the active rows.

    Args:
        sniffing: rewrite node addresses, so that clients that sniff stay connected to this endpoint.
        emulation: show clients another engine version.

    """
    return (SNIFFING_ROWS if sniffing else ()) + (EMULATION_ROWS if emulation else ())
