"""Decides whether a request may be sent twice: not if it creates, advances or removes something."""

from __future__ import annotations

import re

from es_rerank.search.formats.endpoints import parameters

# Asynchronous searches and points in time, which are created by any request with a body, and scrolls, of which each
# request gets the next page.
_CREATES = re.compile(r"/(_async_search|_asynchronous_search|_pit|_search/point_in_time)/?$")
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
