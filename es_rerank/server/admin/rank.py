"""Ranks texts that the caller sends for a query, with the model but without the engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from es_rerank.model import Failed, Rule, Scored, ScoreRequest
from es_rerank.rerank_client.reading import DocumentRead
from es_rerank.server.admin.json_request import read_json
from es_rerank.server.responses import error_answer
from es_rerank.server.state import State

_RANK_SECONDS = 30.0
_MAX_CANDIDATES = 1000
_MAX_CANDIDATE_CHARACTERS = 100_000
_MAX_QUERY_CHARACTERS = 10_000
_MAX_INSTRUCTION_CHARACTERS = 2_000


class Candidates(BaseModel):
    """The request body of `POST /_rerank/rank`.

    Attributes:
        query: The query text.
        candidates: The texts to rank.
        instruction: The instruction for the model; None for the default. Models without instructions ignore it.

    """

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, StringConstraints(min_length=1, max_length=_MAX_QUERY_CHARACTERS)]
    candidates: list[Annotated[str, StringConstraints(max_length=_MAX_CANDIDATE_CHARACTERS)]] = Field(
        min_length=1, max_length=_MAX_CANDIDATES
    )
    instruction: Annotated[str, StringConstraints(max_length=_MAX_INSTRUCTION_CHARACTERS)] | None = None


async def rank(state: State, request: web.Request) -> web.StreamResponse:
    """Return the candidates with their scores, best first. Candidates with equal scores keep their order."""
    body = await read_json(Candidates, request)
    if isinstance(body, web.Response):
        return body
    documents = [text or None for text in body.candidates]
    deadline = time.monotonic() + _RANK_SECONDS
    rule = _with_instruction(state.rules.default_rule, body.instruction)
    scores, read = await state.reranker.read(ScoreRequest(body.query, documents, rule, deadline, whole=True))
    if isinstance(scores, Failed):
        return error_answer(
            HTTPStatus.INTERNAL_SERVER_ERROR, "rerank_exception", f"{scores.why}: {scores.detail or 'no scores'}"
        )
    return web.json_response({"model": scores.model, "results": _results(body.candidates, scores, read)})


def _with_instruction(rule: Rule, instruction: str | None) -> Rule:
    """Return *rule* with *instruction*, or *rule* unchanged if the instruction is None or empty."""
    return replace(rule, instruction=instruction) if instruction else rule


def _results(candidates: Sequence[str], scores: Scored, read: Sequence[DocumentRead | None]) -> list[dict[str, Any]]:
    """Return the candidates, best score first, each with the number of its tokens that the model has read."""
    scored = sorted(enumerate(scores.probabilities), key=lambda pair: -(pair[1] or 0.0))
    return [
        {"index": index, "score": score or 0.0, "text": candidates[index], **_reading(read[index] if read else None)}
        for index, score in scored
    ]


def _reading(document: DocumentRead | None) -> dict[str, Any]:
    """Return how many tokens and passages of a text the model has read, and whether the text was truncated."""
    passages = document.passages if document else ()
    return {
        "tokens": sum(passage.tokens for passage in passages),
        "passages": len(passages),
        "truncated": document.truncated if document else False,
    }
