"""The endpoints whose responses are rewritten for sniffing and emulation, if these are enabled in the settings."""

from __future__ import annotations

from es_rerank.search.formats.endpoints import Endpoint, EndpointRow, Role, row

# Clients with sniffing enabled read the node addresses from this endpoint and connect to them.
SNIFFING_ROWS = (
    row(Endpoint.NODES, {"GET"}, r"^/_nodes(?:/(?!(?:hot_threads|stats|usage)\b)[^/]+){0,2}", Role.COMPAT),
)
# Endpoints whose formats differ between Elasticsearch and OpenSearch.
EMULATION_ROWS = (
    row(Endpoint.ROOT, {"GET"}, r"^", Role.COMPAT),
    row(Endpoint.POINT_IN_TIME, {"POST"}, r"^/(?P<target>[^/_][^/]*|_all)/_pit", Role.COMPAT),
    row(Endpoint.POINT_IN_TIME, {"DELETE"}, r"^/_pit", Role.COMPAT),
)


def rows(*, sniffing: bool, emulation: bool) -> tuple[EndpointRow, ...]:
    """Return the endpoints whose responses are rewritten.

    Args:
        sniffing: Whether to rewrite node addresses, so that clients with sniffing enabled stay connected to es-rerank.
        emulation: Whether to emulate another engine version.

    """
    return (SNIFFING_ROWS if sniffing else ()) + (EMULATION_ROWS if emulation else ())
