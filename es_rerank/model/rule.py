"""Rules: how to rerank the hits of indices that match a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RuleMode(StrEnum):
    """The modes of a rule: rerank all searches, none, or a sample of them, or only measure the effect (shadow mode)."""

    ON = "on"
    OFF = "off"
    SHADOW = "shadow"
    SAMPLE = "sample"


class LongDocumentMode(StrEnum):
    """The modes for a document longer than one passage: score only its first passage, or use its best passage score."""

    TRUNCATE = "truncate"
    MAX_PASSAGE = "max_passage"


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """The name of a score policy, and its parameter: a weight (`linear`, `blend`) or a rank constant (`rrf`)."""

    name: str = "replace"
    parameter: float | None = None

    def __str__(self) -> str:
        """Return the policy as in a rule file, such as `blend(0.7)`."""
        return self.name if self.parameter is None else f"{self.name}({self.parameter:g})"


@dataclass(frozen=True, slots=True)
class LongDocuments:
    """The options for documents longer than one passage. If an attribute is None, the value of the profile is used.

    Attributes:
        mode: Whether a long document is scored by its first passage only, or by the best of its passages.
        max_passage_tokens: Maximum length of a passage, in model tokens.
        max_search_tokens: Maximum total length of the passages of one search, in model tokens.

    """

    mode: LongDocumentMode | None = None
    max_passage_tokens: int | None = None
    max_search_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Protection:
    """Thresholds for known-item searches, which look for one item by its title or identifier.

    The engine's first hit stays first in such a search.

    Attributes:
        score_ratio: If the engine score of the first hit is at least this many times that of the second hit, the first
            hit is considered the known item.
        margin: Difference of probabilities. If another hit's probability is higher by at least this difference, the
            first hit does not stay first.

    """

    score_ratio: float = 1.5
    margin: float = 0.5


class LowHits(StrEnum):
    """The ways to treat hits of the window whose probability is too low.

    DROP: they are not returned, and their places at the end of the window stay empty.
    LAST: they come after all other hits of the search.
    ONLY_SCORED: they are not returned. Hits without a probability, including all hits after the window, are not
        returned either.
    """

    DROP = "drop"
    LAST = "last"
    ONLY_SCORED = "only_scored"


@dataclass(frozen=True, slots=True)
class MinProbability:
    """The lowest probability, from 0 to 1, with which a hit keeps its place, and what happens to hits below it."""

    value: float
    below: LowHits = LowHits.DROP


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for the indices that match a pattern.

    Attributes:
        name: Name of the rule file.
        patterns: Index patterns that the rule applies to.
        fields: Fields that the model reads; empty means the text fields of the mapping.
        template: Template of the passage text; None joins the fields with newlines.
        labels: Whether the texts of several fields are labeled with the names of their fields.
        window: Number of hits that the model reads.
        deadline: Time limit for a whole search, in seconds.
        policy: The formula that combines engine scores and model scores into the new `_score`.
        protect: The conditions for keeping the engine's first hit first; None to never keep it.
        min_probability: The lowest probability, and what happens to hits below it; None for no limit.
        long: The options for long documents.
        instruction: Task description for models that support one; None uses the model profile's instruction.
        mode: Whether searches are reranked, only measured, or not reranked.
        sample_rate: Share of searches that are reranked in mode `sample`, from 0 to 1.
        query_header: Whether clients may choose the query text with `X-Rerank-Query`.
        strict: Whether a scoring failure is returned as an error instead of hits in the engine's order.
        partial: Whether a search that reaches its deadline is reranked with the scores that are known by then.

    """

    name: str
    patterns: tuple[str, ...] = ("*",)
    fields: tuple[str, ...] = ()
    template: str | None = None
    labels: bool = False
    window: int = 50
    deadline: float = 3.0
    policy: PolicySpec = PolicySpec()
    protect: Protection | None = None
    min_probability: MinProbability | None = None
    long: LongDocuments = LongDocuments()
    instruction: str | None = None
    mode: RuleMode = RuleMode.ON
    sample_rate: float = 1.0
    query_header: bool = True
    strict: bool = False
    partial: bool = True
