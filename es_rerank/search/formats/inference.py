"""Elasticsearch's rerank inference API: parses the request and builds the response.

Format: `{"query": ..., "input": [...], "top_n": ..., "return_documents": ...}`. The last two are in `task_settings`
since version 8.14 and, since 8.19, also at the top level, which takes precedence. The response is
`{"rerank": [{"index": ..., "relevance_score": ..., "text": ...}]}`, best first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from es_rerank.jsonspan import decode

_OPTIONS = ("top_n", "return_documents")
# Maximum number of documents, as in the largest window, and of characters in the query and the documents together.
MAX_INPUTS = 1000
MAX_CHARACTERS = 5_000_000
_COUNT = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class Question:
    """A query and the documents to rank.

    Attributes:
        query: The query text.
        documents: The document texts.
        top_n: Number of documents to return; None means all.
        with_text: Whether to return the document texts.

    """

    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    with_text: bool = True


def read(body: bytes) -> Question | str:
    """Parse a request. If it is invalid, return the reason for the 400 response."""
    try:
        asked: dict[str, Any] = decode(body, dict[str, Any])
    except ValueError:
        return "the body is not a JSON object"
    query, given = asked.get("query"), asked.get("input")
    documents = [given] if isinstance(given, str) else given
    if not isinstance(query, str) or not query.strip():
        return "[query] must be a text that is not blank"
    if not isinstance(documents, list) or not documents or not all(isinstance(one, str) for one in documents):
        return "[input] must be a text or a list of at least one text"
    if len(documents) > MAX_INPUTS:
        return f"[input] must contain at most {MAX_INPUTS} texts, not {len(documents)}"
    if len(query) + sum(map(len, documents)) > MAX_CHARACTERS:
        return f"[query] and [input] must contain at most {MAX_CHARACTERS} characters together"
    return _settled(query, documents, asked)


def _settled(query: str, documents: Sequence[str], asked: Mapping[str, Any]) -> Question | str:
    """Return the question with all its options, or the reason for the 400 response."""
    settings = asked.get("task_settings")
    if not isinstance(settings, dict | None):
        return "[task_settings] must be an object"
    above = {name: asked[name] for name in _OPTIONS if asked.get(name) is not None}
    return _chosen(query, documents, {**(settings or {}), **above})


def _chosen(query: str, documents: Sequence[str], options: Mapping[str, Any]) -> Question | str:
    """Return the question with parsed options, or the reason for the 400 response.

    An option that is missing or null has the default of Elasticsearch's own rerankers.
    """
    top_n, with_text = (options.get(name) for name in _OPTIONS)
    # The engine also accepts quoted numbers and booleans.
    if top_n is not None and (isinstance(top_n, bool) or not _COUNT.fullmatch(str(top_n))):
        return "[top_n] must be a positive integer"
    if with_text not in (None, "true", "false") and not isinstance(with_text, bool):
        return "[return_documents] must be true or false"
    return Question(query, tuple(documents), top_n and int(top_n), with_text not in (False, "false"))


def write(question: Question, probabilities: Sequence[float | None]) -> bytes:
    """Return the response body, best document first. Ties keep the input order; blank documents (no score) are last.

    Args:
        question: The request.
        probabilities: One per document, in input order; None for a blank document.

    """
    order = sorted(enumerate(probabilities), key=lambda one: (one[1] is None, -(one[1] or 0.0)))
    rows = [_row(question, at, probability or 0.0) for at, probability in order[: question.top_n]]
    return msgspec.json.encode({"rerank": rows})


def _row(question: Question, at: int, score: float) -> dict[str, Any]:
    """Return the response entry of one document."""
    row: dict[str, Any] = {"index": at, "relevance_score": score}
    return {**row, "text": question.documents[at]} if question.with_text else row
