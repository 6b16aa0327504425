"""Runs a search for an operator. Returns the hits with their old and new ranks, and the passages of each hit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from es_rerank.jsonspan import decode_member, members_of_each
from es_rerank.model import EngineReply, Failed, Outcome, Plan, Scored, ScoreRequest, Search, Skip
from es_rerank.pipeline import RankedWindow, rank_window
from es_rerank.rerank_client.client import Reranker
from es_rerank.rerank_client.reading import DocumentRead
from es_rerank.search.engine_request.by_endpoint import EngineRequest, engine_request
from es_rerank.search.response.hits import NotASearchResponseError, SearchResponse, read
from es_rerank.search.scoring import Ranking
from es_rerank.search.window import field_verdicts
from es_rerank.server.admin.explanation import reason
from es_rerank.server.concurrency import compute
from es_rerank.server.handlers.context import EngineSession, SearchCall
from es_rerank.server.responses import outcome_header

# Longer strings in a hit are truncated. Passages are shown in full.
_MAX_CHARACTERS = 2000
_MAX_DEPTH = 20
_MEMBERS = ("_index", "_id", "_source", "fields", "highlight")


@dataclass(slots=True)
class _Recorder:
    """Scores a window in the same way as for a client's search, and records the result.

    Attributes:
        reranker: The client of the rerank servers.
        probabilities: The probability of each document; None for a document without text.
        documents: The passages of each document; None for a document without text.

    """

    reranker: Reranker
    probabilities: Sequence[float | None] = ()
    documents: Sequence[DocumentRead | None] = field(default_factory=tuple)

    async def score(self, request: ScoreRequest) -> Scored | Failed:
        """Return the scores of a window, and record the probabilities and the passages of the documents."""
        scored, self.documents = await self.reranker.read(request)
        if isinstance(scored, Scored):
            self.probabilities = scored.probabilities
        return scored


async def reranked(call: SearchCall, session: EngineSession, search: Search, plan: Plan) -> dict[str, Any]:
    """Run a planned search, and return its hits in the engine's order, each with its new rank and its passages.

    Args:
        call: The request that has the search.
        session: The session with the engine.
        search: The search.
        plan: The plan of the search. It must have a single phase, so that all hits of the window are complete.

    Raises:
        UpstreamError: The engine cannot be reached.

    """

    async def fetch(plan: Plan) -> EngineReply:
        return await session.ask(engine_request(call.endpoint_request, search, plan), "POST")

    recorder = _Recorder(call.state.reranker)
    reply = await fetch(plan)
    window = await rank_window(plan, reply, session.ports(fetch, recorder.score), call.options)
    if isinstance(window, RankedWindow):
        shown = await compute(reply.size, _ranked, window, recorder)
    else:
        shown = await compute(reply.size, _as_sent, reply)
    return {**shown, **_outcome(window.outcome), "times": _times(session)}


async def as_sent(session: EngineSession, sent: EngineRequest, skip: Skip) -> dict[str, Any]:
    """Send a search that is not reranked to the engine, and return its hits in the engine's order.

    Raises:
        UpstreamError: The engine cannot be reached.

    """
    reply = await session.ask(sent, "POST")
    shown = await compute(reply.size, _as_sent, reply)
    return {**shown, "outcome": "skipped", **reason(skip), "times": _times(session)}


def _ranked(window: RankedWindow, recorder: _Recorder) -> dict[str, Any]:
    """Return the hits of a window, and for each candidate field whether the model reads it and why."""
    fields = [verdict._asdict() for verdict in field_verdicts(window.response.hits, window.plan)]
    return {**_shown(window.reply, window.response, list(_ranked_hits(window, recorder))), "fields": fields}


def _as_sent(reply: EngineReply) -> dict[str, Any]:
    """Return the hits of a reply in the engine's order, or the engine's error."""
    try:
        response = read(reply.body or b"")
    except NotASearchResponseError:
        return _shown(reply, None, [])
    return _shown(reply, response, list(_hits(response, 0, _ranks(None, len(response.hits)))))


def _shown(reply: EngineReply, response: SearchResponse | None, hits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the status, error, total and hits of a search. *response* is None if the reply has no search response."""
    error = None if reply.status == HTTPStatus.OK else reply.error.decode("utf-8", "replace")
    return {"status": reply.status, "error": error, "total": _total(response), "hits": hits, "fields": []}


def _total(response: SearchResponse | None) -> Any:
    """Return `hits.total` as the engine sent it; None if the response has no total."""
    if response is None or response.total is None:
        return None
    hits = [(response.body, {"total": response.total})]
    return decode_member(hits, "total")[0]


def _outcome(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of a search. If there is a reason, its meaning and what to do are added."""
    shown = {
        "outcome": outcome.state,
        "header": outcome_header([outcome]),
        "detail": outcome.detail,
        "scored": outcome.window,
        "of": outcome.of,
        "cached": outcome.cached,
        "model": outcome.model,
    }
    return {**shown, **reason(Skip(outcome.why))} if outcome.why else shown


def _times(session: EngineSession) -> dict[str, float]:
    """Return the time in the engine, the reranker and es-rerank itself, in milliseconds."""
    _, *seconds = session.timings.durations()
    return {name: round(one * 1e3, 1) for name, one in zip(("engine", "rerank", "proxy"), seconds, strict=True)}


def _ranks(ranking: Ranking | None, hits: int) -> dict[int, tuple[int, float | None]]:
    """Return the new rank and the new score of each hit that is not dropped.

    Args:
        ranking: The ranking; None for the engine's order and scores.
        hits: Number of hits.

    Returns:
        A mapping from the position of a hit in the engine's order to its new rank and new score. Positions and ranks
        start at 0. The score is None if the hit keeps the engine's score.

    """
    if ranking is None:
        return {at: (at, None) for at in range(hits)}
    return {at: (rank, score) for rank, (at, score) in enumerate(zip(ranking.order, ranking.scores, strict=True))}


def _ranked_hits(window: RankedWindow, recorder: _Recorder) -> Iterator[dict[str, Any]]:
    """Yield the hits in the engine's order, each with its probability and the passages that the model has read."""
    response, documents = window.response, recorder.documents
    ranks = _ranks(window.ranking, len(response.hits))
    for at, hit in enumerate(_hits(response, window.plan.fetch.from_, ranks)):
        document = documents[at] if at < len(documents) else None
        probability = recorder.probabilities[at] if at < len(recorder.probabilities) else None
        yield {**hit, "probability": probability, **_reading(document)}


def _reading(document: DocumentRead | None) -> dict[str, Any]:
    """Return the passages of a hit as the model has read them. A hit without text has no passages."""
    if document is None:
        return {"passages": [], "passages_of": 0, "truncated": False}
    passages = [passage._asdict() for passage in document.passages]
    return {"passages": passages, "passages_of": document.of, "truncated": document.truncated}


def _hits(
    response: SearchResponse, first: int, ranks: Mapping[int, tuple[int, float | None]]
) -> Iterator[dict[str, Any]]:
    """Yield the hits as JSON objects, in the engine's order. Ranks start at 1. A hit that the rule drops has no rank.

    Args:
        response: The engine's response.
        first: Number of hits before the first hit of the response (`from`).
        ranks: The new rank and score of each hit, see `_ranks`.

    """
    texts = [hit.raw for hit in response.hits]
    objects = list(zip(texts, members_of_each(texts), strict=True))
    columns = {name: decode_member(objects, name) for name in _MEMBERS}
    for at, hit in enumerate(response.hits):
        rank, score = ranks.get(at, (None, None))
        yield {
            "index": columns["_index"][at],
            "id": columns["_id"][at],
            "engine_rank": first + at + 1,
            "engine_score": hit.score,
            "rank": None if rank is None else first + rank + 1,
            "score": hit.score if score is None else score,
            "source": _cut(columns["_source"][at]),
            "fields": _cut(columns["fields"][at]),
            "highlight": _cut(columns["highlight"][at]),
            "probability": None,
            **_reading(None),
        }


def _cut(value: Any, depth: int = 0) -> Any:
    """Truncate the long strings in a JSON value. Values that are nested more than 20 levels deep become None."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, str):
        return value if len(value) <= _MAX_CHARACTERS else value[:_MAX_CHARACTERS] + "…"
    if isinstance(value, list):
        return [_cut(element, depth + 1) for element in value]
    if isinstance(value, dict):
        return {name: _cut(element, depth + 1) for name, element in value.items()}
    return value
