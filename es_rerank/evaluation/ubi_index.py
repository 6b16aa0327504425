"""Reads the records of User Behavior Insights from their indices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from es_rerank.evaluation.client import SearchError, SearchTarget, reason, session
from es_rerank.evaluation.ubi import Record
from es_rerank.net.connection_errors import describe_error

_OK = 200
_PAGE = 1000
_KEEP_ALIVE = "2m"
QUERIES, EVENTS = "ubi_queries", "ubi_events"


def read_index(target: SearchTarget, fields: tuple[str, ...], ca: Path | None = None) -> Iterator[Record]:
    """Yield all records of an index. Uses the scroll API, because both engines have it.

    Args:
        target: The URL and the index.
        fields: The fields to read.
        ca: PEM file of the CA certificates to trust, instead of those of the system.

    Raises:
        SearchError: If the engine does not return the records.

    """
    with asyncio.Runner() as runner:
        records = _scroll(target, fields, ca)
        try:
            while True:
                yield from runner.run(anext(records))
        except StopAsyncIteration:
            return
        finally:
            runner.run(records.aclose())


async def _scroll(target: SearchTarget, fields: tuple[str, ...], ca: Path | None) -> AsyncGenerator[list[Record]]:
    """Yield the records page by page, and close the scroll at the end."""
    first = f"/{quote(target.index, safe=',*:<>-_.')}/_search?scroll={_KEEP_ALIVE}"
    body: dict[str, Any] = {"size": _PAGE, "sort": ["_doc"], "_source": list(fields)}
    async with session(ca) as client:
        page = await _post(client, target, first, body)
        try:
            while page["hits"]["hits"]:
                yield [Record(f"{hit['_index']}/{hit['_id']}", hit["_source"]) for hit in page["hits"]["hits"]]
                scroll = {"scroll": _KEEP_ALIVE, "scroll_id": page["_scroll_id"]}
                page = await _post(client, target, "/_search/scroll", scroll)
        except (KeyError, TypeError):
            raise SearchError(f"{target.url}: the response has no records with `_source`") from None
        finally:
            scroll_id = page.get("_scroll_id")
            if scroll_id:
                await _close(client, target, scroll_id)


async def _close(client: aiohttp.ClientSession, target: SearchTarget, scroll_id: str) -> None:
    """Close a scroll. If this fails, the engine closes it later."""
    url, body = f"{target.url}/_search/scroll", {"scroll_id": scroll_id}
    with suppress(aiohttp.ClientError, TimeoutError):
        async with client.delete(url, json=body, headers=target.headers) as response:
            await response.read()


async def _post(
    client: aiohttp.ClientSession, target: SearchTarget, path: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Send a request and return the response. Raises SearchError if it is not a complete search response."""
    url = target.url + path
    try:
        async with client.post(url, json=body, headers=target.headers) as response:
            content = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SearchError(f"{url}: no response: {describe_error(error)}") from error
    if response.status != _OK:
        raise SearchError(f"{url}: status {response.status}: {reason(content)}")
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("hits"), dict):
        raise SearchError(f"{url}: the response is not a search response")
    if found.get("timed_out") or found.get("_shards", {}).get("failed"):
        raise SearchError(f"{url}: the response is incomplete: it timed out, or shards failed")
    return found
