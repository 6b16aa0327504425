"""A minimal engine that serves documents from memory: `python -m tests.bench.recorded WORDS`.

It holds the documents of the load benchmark with WORDS words each, for machines without a real engine. It implements
`_field_caps`, and `_search` and `_msearch` with a `match` on `body`, sorted by score, and prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from aiohttp import web

from tests.bench.load import DOCUMENTS, INDEX, WORDS, document
from tests.bench.serving import serve

CAPS = {"indices": [INDEX], "fields": {"body": {"text": {"type": "text", "searchable": True, "aggregatable": False}}}}


class Found(list[dict[str, Any]]):
    """The hits of a query, as a key of a cache."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def application(words: int) -> web.Application:
    """Return the server."""
    documents = {f"d{number}": document(number, words) for number in range(DOCUMENTS)}
    counts = {name: {word: one["body"].split().count(word) for word in WORDS} for name, one in documents.items()}

    @cache
    def hits(wanted: frozenset[str]) -> Found:
        scores = {name: float(sum(counts[name][word] for word in wanted)) for name in documents}
        names = sorted((name for name in documents if scores[name]), key=lambda name: -scores[name])
        return Found({"_index": INDEX, "_id": one, "_score": scores[one], "_source": documents[one]} for one in names)

    def answer(wanted: Mapping[str, Any]) -> bytes:
        found = hits(frozenset(wanted["query"]["match"]["body"].split()) & frozenset(WORDS))
        page = {"from": 0, "size": 10} | wanted
        return written(found, int(page["from"]), int(page["size"]))

    @cache
    def written(found: Sequence[Mapping[str, Any]], first: int, count: int) -> bytes:
        max_score = found[0]["_score"] if found else None
        total = {"value": len(found), "relation": "eq"}
        shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
        hits_ = {"total": total, "max_score": max_score, "hits": found[first : first + count]}
        return msgspec.json.encode({"took": 1, "timed_out": False, "_shards": shards, "hits": hits_})

    async def search(request: web.Request) -> web.Response:
        # URL parameters take precedence over the body.
        body = answer(msgspec.json.decode(await request.read()) | dict(request.query))
        return web.Response(body=body, content_type="application/json")

    async def msearch(request: web.Request) -> web.Response:
        lines = (await request.read()).splitlines()[1::2]
        answers = [answer(msgspec.json.decode(line))[:-1] + b',"status":200}' for line in lines]
        body = b'{"took":1,"responses":[%b]}' % b",".join(answers)
        return web.Response(body=body, content_type="application/json")

    async def caps(request: web.Request) -> web.Response:
        return web.json_response(CAPS)

    app = web.Application()
    app.router.add_post(f"/{INDEX}/_search", search)
    app.router.add_post("/_msearch", msearch)
    app.router.add_get(f"/{INDEX}/_field_caps", caps)
    return app


if __name__ == "__main__":
    asyncio.run(serve(application(int(sys.argv[1]))))
