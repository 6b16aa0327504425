"""Prepares the model's input: cuts query and passages to its limits, adds its prefixes, escapes its special tokens.

Pure except for the tokenizer that is passed in. A text has at most as many tokens as UTF-8 bytes, so most texts are
known to be short enough without being tokenized.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from es_rerank.model import LongDocumentMode, LongDocuments, Rule, ScoreRequest
from es_rerank.rerank import chunking
from es_rerank.rerank.backends import Backend, RerankCall
from es_rerank.rerank.chunking import Limits, Tokens
from es_rerank.rerank.profiles import Profile

# The query may use up to 1/4 of the model's context.
_QUERY_DIVISOR = 4
# Average of English (about 4) and Chinese (about 3). An approximation is enough, because throughput is measured in the
# same approximate tokens.
_BYTES_PER_TOKEN = 3.5


class Passage(NamedTuple):
    """A text to be scored and its approximate number of tokens."""

    text: str
    tokens: int


@dataclass(slots=True)
class PromptBuilder:
    """Builds the requests for one model.

    Attributes:
        backend: The API of the rerank server.
        profile: The profile of the model.
        model: The model name to send to the server.
        max_search_tokens: Maximum number of tokens per search, for rules that set no limit.
        tokens: The tokenizer; an approximation until the model's tokenizer is loaded.

    """

    backend: Backend
    profile: Profile
    model: str
    max_search_tokens: int
    tokens: Tokens = chunking.estimate

    def split(self, request: ScoreRequest) -> tuple[str, list[list[Passage]]]:
        """Truncate the query if necessary and split each document into passages.

        Special tokens are escaped before lengths are checked, because an escaped special token is several tokens long.

        Returns:
            The query, and one list of passages per document, empty for a document without text.

        """
        profile = self.profile
        cleaned, *documents = escape_special_tokens(profile.special, [request.query, *request.documents])
        query = self._cut_query(cleaned or "")
        limits = self._limits(request.rule.long, query)
        sizes = [len(text.encode("utf-8")) if text else 0 for text in documents]
        if max(sizes, default=0) <= limits.max_passage_tokens:
            sized = zip(documents, sizes, strict=True)
            return query, [[Passage(text, _tokens(size))] if text else [] for text, size in sized]
        rows = chunking.passages(documents, query, limits, self.tokens)
        return query, [[Passage(text, approximate_tokens(text)) for text in row] for row in rows]

    def call(self, query: str, texts: Iterable[str], rule: Rule) -> RerankCall:
        """Return the call that scores *texts*, with the profile's prefixes and, if the model takes one, an instruction.

        Args:
            query: The query text, without prefix.
            texts: The passages, without prefix.
            rule: The rule, whose instruction overrides the profile's.

        """
        profile = self.profile
        instruction = (rule.instruction or profile.instruction) if profile.instruction else None
        return RerankCall(profile.query + query, [profile.document + text for text in texts], self.model, instruction)

    def probabilities(self, scores: Iterable[float]) -> list[float]:
        """Convert the server's raw scores to probabilities in [0, 1]."""
        return probabilities(self.profile, scores, self.backend.raw)

    def _cut_query(self, query: str) -> str:
        """Truncate a query to its share of the model's context."""
        limit = self._max_query_tokens
        if len(query.encode("utf-8")) <= limit:
            return query
        return chunking.passages([query], "", Limits(LongDocumentMode.TRUNCATE, limit, limit), self.tokens)[0][0]

    @property
    def _max_query_tokens(self) -> int:
        """Maximum length of the query, in tokens."""
        return self.profile.max_tokens // _QUERY_DIVISOR

    def _limits(self, long: LongDocuments, query: str) -> Limits:
        """Return the rule's limits (by default the profile's), reduced to the context that the query leaves free."""
        profile = self.profile
        limit = long.max_passage_tokens or profile.max_passage_tokens
        room = profile.max_tokens - profile.overhead
        if len(query.encode("utf-8")) > room - limit:
            limit = min(limit, room - min(self._max_query_tokens, len(self.tokens(query))))
        return Limits(long.mode or profile.long, limit, long.max_search_tokens or self.max_search_tokens)


def approximate_tokens(text: str) -> int:
    """Estimate the number of tokens of a text from its UTF-8 length, for load limits and throughput."""
    return _tokens(len(text.encode("utf-8", "replace")))


def _tokens(size_bytes: int) -> int:
    """Estimate the number of tokens of a text from its length in UTF-8 bytes."""
    return int(size_bytes / _BYTES_PER_TOKEN) + 1


def escape_special_tokens(special: Sequence[str], texts: Iterable[str | None]) -> list[str | None]:
    """Insert a space into each special token, so that no text can alter the prompt, and replace lone surrogates.

    Args:
        special: The special tokens of the model.
        texts: The query and the documents; None for a document without text.

    Returns:
        The escaped texts, in the same order; None for a document without text.

    """
    replacements = [(token, f"{token[0]} {token[1:]}") for token in special]
    return [_clean(text, replacements) if text else text for text in texts]


def _clean(text: str, replacements: Sequence[tuple[str, str]]) -> str:
    """Escape special tokens and replace lone surrogates in one text."""
    text = text.encode("utf-8", "replace").decode()
    for token, escaped in replacements:
        if token in text:
            text = text.replace(token, escaped)
    return text


def probabilities(profile: Profile, scores: Iterable[float], raw: bool) -> list[float]:
    """Convert a rerank server's scores to probabilities in [0, 1].

    Logits and cosines become `sigmoid(slope * (score - center))`. Scores that are already probabilities are clamped.

    Args:
        profile: The profile of the model, with `slope` and `center`.
        scores: The scores of the rerank server.
        raw: Whether the server returns logits for a cross-encoder. Otherwise it returns probabilities.

    """
    if not raw and not profile.cosine:
        return [min(max(score, 0.0), 1.0) for score in scores]
    return [_sigmoid(profile.slope * (score - profile.center)) for score in scores]


def _sigmoid(logit: float) -> float:
    """Return 1 / (1 + e^-logit) without overflow."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
