"""Asks a rerank server and makes do with its limits: texts that are too long, and more of them than it takes."""

from __future__ import annotations

import re
from dataclasses import replace

import structlog

from es_rerank.model import Failed, Why
from es_rerank.rerank.backends import Question
from es_rerank.rerank_client.transport import Transport

log = structlog.get_logger()

# How servers refuse a batch: `batch size 33 > maximum allowed batch size 32`, `at most 1000 documents`.
_CAP = re.compile(
    r"max\w*[a-z_ -]{0,30}batch[ _]size\D{0,20}(\d+)|at most\D{0,20}(\d+)[a-z ]{0,20}(?:document|text|input)"
)


def cap(rejection: str) -> int | None:
    """Read how many texts a server takes at a time from the words of its refusal; None if they say nothing of it."""
    found = _CAP.search(rejection.lower())
    return int(found[1] or found[2]) if found else None


class Asker:
    """State: `most`, how many texts the server takes at a time; it falls when the server says so, and stays."""

    def __init__(self, wire: Transport, most: int) -> None:
        """Ask through *wire*, at first *most* texts at a time."""
        self._wire = wire
        self.most = most

    async def ask(self, question: Question, deadline: float) -> list[float] | Failed:
        """Ask, and by the same *deadline* (monotonic seconds) once more for less: shorter texts, or fewer at a time."""
        answer = await self._wire.ask(question, deadline)
        if not isinstance(answer, Failed):
            return answer
        most = cap(answer.detail)
        if most and most < len(question.texts):
            self.most = min(self.most, most)
            log.info("batch size learnt from the rerank server", most=self.most)
            return await self._in_parts(question, most, deadline)
        if answer.why is Why.TOO_LONG:
            return await self._wire.ask(question.halved(), deadline)
        return answer

    async def _in_parts(self, question: Question, most: int, deadline: float) -> list[float] | Failed:
        """Ask for so many texts at a time; a fault of one part is a fault of all."""
        scores: list[float] = []
        for at in range(0, len(question.texts), most):
            part = replace(question, texts=question.texts[at : at + most])
            answer = await self._wire.ask(part, deadline)
            if isinstance(answer, Failed):
                return answer
            scores += answer
        return scores
