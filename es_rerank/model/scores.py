"""The request to score a window with the model, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.model.rule import Rule
from es_rerank.model.why import Why


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A query and the documents to score.

    Attributes:
        query: The query text.
        documents: The text of each hit in the window; None for a hit without text, which is not scored.
        rule: The rule, which has the instruction, the options for long documents, and whether partial scores are used.
        deadline: When the scores must be available, as a value of `time.monotonic()`.
        whole: Whether to score either all documents or none, so that the window is not reduced under load.

    """

    query: str
    documents: Sequence[str | None]
    rule: Rule
    deadline: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a window.

    Attributes:
        probabilities: One per document, from 0 to 1; None for a document without text or after the scored part.
        cached: Number of documents whose scores, or whose vectors, came from the cache.
        model: Name of the model.
        window: Number of scored documents, which is lower under load or at the deadline; None if all were scored.

    """

    probabilities: Sequence[float | None]
    cached: int
    model: str
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A failure to score a window, with the reason. Failures are returned, not raised."""

    why: Why
    detail: str = ""
