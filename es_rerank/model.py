"""The values that travel through the pipeline. Frozen, without behaviour beyond what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Why(StrEnum):
    """Why a Search was not reranked. One closed list for the header, the metric, the log and the docs."""

    OFF = "off"
    SHADOW = "shadow"
    SAMPLED_OUT = "sampled_out"
    NOT_A_SEARCH = "not_a_search"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    FORMAT = "format"
    SORT = "sort"
    SCROLL = "scroll"
    SEARCH_AFTER = "search_after"
    POINT_IN_TIME = "point_in_time"
    SLICE = "slice"
    SIZE_ZERO = "size_zero"
    STORED_FIELDS = "stored_fields"
    TOP_HITS = "top_hits"
    OWN_RERANKER = "own_reranker"
    NO_QUERY_TEXT = "no_query_text"
    HIDDEN_INDEX = "hidden_index"
    NO_RULE = "no_rule"
    RULES_DIFFER = "rules_differ"
    NO_TEXT_FIELDS = "no_text_fields"
    MAPPING = "mapping"
    BEYOND_WINDOW = "beyond_window"
    FEW_HITS = "few_hits"
    NO_PASSAGES = "no_passages"
    ENGINE_ERROR = "engine_error"
    ENGINE_ANSWER = "engine_answer"
    PARTIAL = "partial"
    DEADLINE = "deadline"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    RERANKER_ERROR = "reranker_error"
    BAD_ANSWER = "bad_answer"
    TOO_LONG = "too_long"
    BREAKER = "breaker"
    OVERLOADED = "overloaded"
    SELF_TEST = "self_test"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """What a request asks of the reranker by name, in Elasticsearch's or OpenSearch's own words for it.

    `text` is the query for the model and `fields` what it reads ((): as the rule says). It reads `window` hits at
    most, and no more than that many are returned; hits the model finds less probable than `min_score` are left out.
    `chunks`: long documents are read in pieces.
    """

    text: str
    fields: tuple[str, ...] = ()
    window: int | None = None
    min_score: float | None = None
    chunks: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """One search as the client sent it.

    `target` is the decoded index expression ("" is every index), `params` the decoded URL parameters (the
    last of a repeated one), `body` the decoded search body ({} when there is none) and `raw` its bytes. What was asked
    of the reranker by name is in `rerank_request`, and no longer in the body.
    """

    target: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes = b""
    rerank_request: RerankRequest | None = None


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A row of POLICIES with its parameter: `linear` takes a weight, `rrf` a rank constant."""

    name: str = "replace"
    parameter: float | None = None


@dataclass(frozen=True, slots=True)
class Long:
    """What happens to documents longer than the model should read.

    `max_passage_tokens` limits one passage and `max_search_tokens` all passages of one search, both in the model's own
    tokens; None means the profile's limit.
    """

    mode: str | None = None
    max_passage_tokens: int | None = None
    max_search_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How the hits of some indices are reranked. Empty `fields` means the text fields of the index mapping.

    `sample_rate` is the share of searches that are reranked in the mode `sample`, 0 to 1. `partial`: if the deadline
    passes while the window is scored, the scored head of the window is used.
    """

    name: str
    patterns: tuple[str, ...] = ("*",)
    fields: tuple[str, ...] = ()
    template: str | None = None
    window: int = 50
    deadline: float = 3.0
    policy: PolicySpec = PolicySpec()
    long: Long = Long()
    instruction: str | None = None
    mode: str = "on"
    sample_rate: float = 1.0
    strict: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What a target resolves to: concrete index names, and the kind (`text`, `keyword`, ...) of each leaf field."""

    names: tuple[str, ...]
    field_types: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing will be done for a Search, for this reason."""

    why: Why


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done for a Search.

    `start` and `size` are the client's page; `fetch_from` and `fetch_size` what the engine is asked for;
    `window` how many of the hits the model reads (0: a page beyond the window, only its scores change);
    hits less probable than `min_score` are left out. `extra_fields` is what is asked for beside the client's own view
    of a hit, and taken out of the answer again but for what matches `asked_fields`, which the client asked for itself.
    `bare`: the client wants hits without `_id` and source (`stored_fields: _none_`). `light` asks for nothing else than
    the model reads, so that the page in full must follow; `only` are index and id of each hit
    of that page.
    """

    text: str
    start: int
    size: int
    fetch_from: int
    fetch_size: int
    window: int
    rule: Rule
    passage_fields: tuple[str, ...]
    extra_fields: tuple[str, ...] = ()
    asked_fields: tuple[str, ...] = ()
    min_score: float | None = None
    bare: bool = False
    light: bool = False
    only: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """A request for the scores of one window.

    `documents` are the texts of the hits (None: no text), `deadline` is absolute, in monotonic seconds. `rule` has the
    instruction, the limits for long documents, and whether partial scores are used. `whole`: all documents or none.
    """

    query: str
    documents: Sequence[str | None]
    rule: Rule
    deadline: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """Probabilities in [0, 1], one a document, how many came from the cache, and by whom.

    None: the document had no text, or is behind the `window` that was read (None: all), which is smaller under load
    and where time ran out.
    """

    probabilities: Sequence[float | None]
    cached: int
    model: str
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The model gave no usable scores. Inside the program a failure is a value."""

    why: Why
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to a Search; `header` is what the client reads in `X-Rerank`."""

    state: str
    why: Why | None = None
    window: int = 0
    of: int = 0
    cached: int = 0
    model: str = ""
    detail: str = ""

    @property
    def header(self) -> str:
        """The value of `X-Rerank`, such as `reranked; window=50; cached=12; model=...` or `skipped; why=sort`."""
        if self.why is not None:
            return self.state if self.state == self.why else f"{self.state}; why={self.why}"
        read = f"{self.window}; of={self.of}" if self.window < self.of else self.window
        return f"{self.state}; window={read}; cached={self.cached}; model={self.model}"


_MOST_LISTED = 32


def header(outcomes: Sequence[Outcome]) -> str:
    """Write `X-Rerank` for a request with several searches: a list in their order, cut when it grows long."""
    listed = [one.header for one in outcomes[:_MOST_LISTED]]
    more = len(outcomes) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more else listed)


def skipped(why: Why) -> Outcome:
    """Make the outcome of a Search that was left alone; `shadow` is a state of its own."""
    return Outcome("shadow" if why is Why.SHADOW else "skipped", why)


def failed(fault: Failed) -> Outcome:
    """Make the outcome of a Search that keeps the engine's order because the model failed."""
    return Outcome("failed", fault.why, detail=fault.detail)
