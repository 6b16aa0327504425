"""Decides whether a request may be sent twice. A request that creates, advances or removes something may not."""

from __future__ import annotations

import re

from es_rerank.search.formats.endpoints import parameters

# Paths at which requests other than GET and HEAD create an async search or a point in time.
_CREATES = re.compile(r"/(_async_search|_asynchronous_search|_pit|_search/point_in_time)/?$")
# Each request for a scroll returns the next page.
_SCROLLS = re.compile(r"/_search/scroll(/|$)")


def is_repeatable(method: str, target: str) -> bool:
    """Return whether a read request or a search may be sent to the engine a second time.

    Args:
        method: The HTTP method.
        target: The raw path and query string.

    """
    path, _, query = target.partition("?")
    if method in {"DELETE", "PUT", "PATCH"} or _SCROLLS.search(path) or "scroll" in parameters(query):
        return False
    return method in {"GET", "HEAD"} or not _CREATES.search(path)
