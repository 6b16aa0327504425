"""Explains reranked hits in the response, if the client requests it: engine rank, engine score, and best passage.

The explanation is added to `fields` of each hit, because values in `fields` can have any name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from es_rerank.jsonspan import Edit, Span, elements, members, members_of_each, splice
from es_rerank.model import Failed, Scored, ScoreRequest, Search, Skip
from es_rerank.pipeline import Ports, RankedWindow, SearchResult
from es_rerank.rerank_client.reading import DocumentRead
from es_rerank.search.response.hits import keys, read
from es_rerank.server.concurrency import compute
from es_rerank.server.handlers.context import EngineSession, SearchCall
from es_rerank.server.handlers.traced import Fetch

HEADER = "X-Rerank-Explain"
_PREFIX = "es_rerank"
_FIELDS = "fields"
_NONE = Span(0, 0, 0)

Values = Mapping[str, Any]
"""The values of an explanation, by name."""


class Explainer:
    """Explains the hits of one search, if the client requests it. Otherwise, it changes nothing.

    State: the passages of each document that the model has read.
    """

    def __init__(self, call: SearchCall, session: EngineSession, search: Search | Skip | None = None) -> None:
        """Create an explainer for a search of *call*.

        If *search* was rendered from a template, no texts are shown: the author of the template decides which fields
        are shown.
        """
        self._wanted = wants_explanation(call.request.headers)
        self._with_text = not (isinstance(search, Search) and search.from_template)
        self._reranker = call.state.reranker
        self._session = session
        self._documents: Sequence[DocumentRead | None] = ()

    def ports(self, fetch: Fetch) -> Ports:
        """Return the I/O functions of the search. They store the passages that the model reads in this object."""
        return self._session.ports(fetch, self._read if self._wanted else None)

    async def explained(self, result: SearchResult) -> SearchResult:
        """Return the result with an explanation in each hit of the response. See the function `explained`."""
        if not self._wanted or result.body is None or result.window is None:
            return result
        explain = partial(explained, with_text=self._with_text)
        body = await compute(len(result.body), explain, result.body, result.window, self._documents)
        return replace(result, body=body)

    async def _read(self, request: ScoreRequest) -> Scored | Failed:
        scored, self._documents = await self._reranker.read(request)
        return scored


def wants_explanation(headers: Mapping[str, str]) -> bool:
    """Return whether a client asks for an explanation of each hit."""
    return headers.get(HEADER, "").strip().lower() == "true"


def explained(
    body: bytes, window: RankedWindow, documents: Sequence[DocumentRead | None], *, with_text: bool = True
) -> bytes:
    """Return the response with the explanation of each hit in its `fields`. All other bytes are unchanged.

    Args:
        body: The response to the client.
        window: The reranked window from which the response was built.
        documents: The passages that the model has read of each hit of the window.
        with_text: Whether to add the text of the best passage.

    """
    values = dict(zip(keys(window.response.hits), _values(window, documents, with_text), strict=True))
    response = read(body)
    array = response.array.of(body)
    spans = members_of_each([hit.raw for hit in response.hits])
    edits = [
        (span.start, span.end, _with_fields(hit.raw, inner, values[key]))
        for span, hit, inner, key in zip(elements(array), response.hits, spans, keys(response.hits), strict=True)
        if key in values and key.id and inner.get(_FIELDS, _NONE).of(hit.raw)[:1] in {b"", b"{"}
    ]
    return splice(body, [(response.array.start, response.array.end, splice(array, edits))])


def _values(window: RankedWindow, documents: Sequence[DocumentRead | None], with_text: bool) -> list[Values]:
    """Return the explanation of each hit of a window, in the engine's order."""
    unread = [None] * (len(window.response.hits) - len(documents))
    first = window.plan.fetch.from_ + 1
    return [
        {"engine_rank": rank, "engine_score": hit.score, **_best_passage(document, with_text)}
        for rank, (hit, document) in enumerate(zip(window.response.hits, [*documents, *unread], strict=True), first)
    ]


def _best_passage(document: DocumentRead | None, with_text: bool) -> Values:
    """Return the probability, position and text of the best passage; empty if no passage was scored."""
    scored = [one for one in document.passages if one.probability is not None] if document else []
    if not scored:
        return {}
    best = max(scored, key=lambda one: one.probability or 0.0)
    place = {"passage_start": best.start, "passage_end": best.end}
    return {"probability": best.probability, **place, **({"passage": best.text} if with_text else {})}


def _with_fields(hit: bytes, spans: Mapping[str, Span], values: Values) -> bytes:
    """Return a hit with the values of its explanation in its `fields`."""
    inner = b",".join(
        msgspec.json.encode(f"{_PREFIX}.{name}") + b":" + msgspec.json.encode([value]) for name, value in values.items()
    )
    return splice(hit, [_insertion(hit, spans, inner)])


def _insertion(hit: bytes, spans: Mapping[str, Span], inner: bytes) -> Edit:
    """Return the edit that inserts members into `fields`, or adds `fields` to a hit that has none."""
    fields = spans.get(_FIELDS)
    if fields is None:
        end = hit.rindex(b"}")
        return end, end, b',"fields":{' + inner + b"}"
    more = b"," if members(fields.of(hit)) else b""
    return fields.start + 1, fields.start + 1, inner + more
