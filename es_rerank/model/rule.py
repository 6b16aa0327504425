"""Rules: how the hits of some indices are reranked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RuleMode(StrEnum):
    """Whether the searches of a rule are reranked, left alone, only measured, or reranked at a sample rate."""

    ON = "on"
    OFF = "off"
    SHADOW = "shadow"
    SAMPLE = "sample"


class LongDocumentMode(StrEnum):
    """What is scored of a document that is longer than one passage: its head, or all passages, best one counts."""

    TRUNCATE = "truncate"
    MAX_PASSAGE = "max_passage"


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A row of POLICIES with its parameter: `linear` takes a weight, `rrf` a rank constant."""

    name: str = "replace"
    parameter: float | None = None


@dataclass(frozen=True, slots=True)
class LongDocuments:
    """How documents are scored that are longer than one passage; None means the profile's own value.

    Attributes:
        mode: What is scored of a long document.
        max_passage_tokens: Limit of one passage, in the model's tokens.
        max_search_tokens: Limit of all passages of one search together, in the model's tokens.

    """

    mode: LongDocumentMode | None = None
    max_passage_tokens: int | None = None
    max_search_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How the hits of some indices are reranked.

    Attributes:
        name: Name of the rule file.
        patterns: Index patterns that the rule is for.
        fields: Fields that the model reads; empty means the text fields of the mapping.
        template: Template of the passage text; None joins the fields with newlines.
        window: Number of hits that the model reads.
        deadline: Time for a whole search, in seconds.
        policy: How engine scores and model scores become the new `_score`.
        long: How long documents are scored.
        instruction: Task for models that take one; None means the profile's.
        mode: Whether searches are reranked, measured or left alone.
        sample_rate: Share of searches that are reranked in the mode `sample`, 0 to 1.
        strict: Whether a failure of the model is an error instead of the engine's order.
        partial: Whether the scored head of the window is used if the deadline passes while it is scored.

    """

    name: str
    patterns: tuple[str, ...] = ("*",)
    fields: tuple[str, ...] = ()
    template: str | None = None
    window: int = 50
    deadline: float = 3.0
    policy: PolicySpec = PolicySpec()
    long: LongDocuments = LongDocuments()
    instruction: str | None = None
    mode: RuleMode = RuleMode.ON
    sample_rate: float = 1.0
    strict: bool = False
    partial: bool = False
