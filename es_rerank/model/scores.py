"""What the model is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.model.rule import Rule
from es_rerank.model.why import Why


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One query and the documents of a window.

    Attributes:
        query: The query text.
        documents: The text of each hit; None is a hit without text, which gets no score.
        rule: Gives the instruction, the limits of long documents, and whether partial scores are used.
        deadline: When the scores must be there, in monotonic seconds.
        whole: Whether all documents are scored or none, whatever the load.

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
        probabilities: One per document, 0 to 1; None for a document without text or behind the scored window.
        cached: Number of documents whose scores came from the cache.
        model: Name of the model.
        window: Number of documents that were scored, fewer under load or if time ran out; None means all.

    """

    probabilities: Sequence[float | None]
    cached: int
    model: str
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The model gave no usable scores; inside the program a failure is a value."""

    why: Why
    detail: str = ""
