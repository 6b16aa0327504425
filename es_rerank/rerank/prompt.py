"""What the model reads: query and passages within its limits, with its prefixes and without its special tokens.

Pure except for `tokens`. Most texts are short and never tokenized: a text has at most as many tokens as bytes.
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

# The query may take this part of the model's context.
_QUERY_DIVISOR = 4
# Between English (four) and Chinese (three). It need not be exact: throughput is measured in the same unit.
_BYTES_PER_TOKEN = 3.5


class Passage(NamedTuple):
    """A text that the model reads, and about how many tokens it has."""

    text: str
    tokens: int


@dataclass(slots=True)
class PromptBuilder:
    """Makes the prompts of one model.

    Attributes:
        backend: The dialect of the rerank server.
        profile: The model family.
        model: The name of the model at the server.
        max_search_tokens: The token budget of a search whose rule has none.
        tokens: Finds the tokens of a text; estimated until the tokenizer is loaded.

    """

    backend: Backend
    profile: Profile
    model: str
    max_search_tokens: int
    tokens: Tokens = chunking.estimate

    def split(self, request: ScoreRequest) -> tuple[str, list[list[Passage]]]:
        """Cut the query and split each document into its passages.

        Special tokens are escaped first, because each becomes several tokens.

        Returns:
            The query, and the passages of each document; none for a document without text.

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
        """Make a call for passages, with the profile's prefixes and, if the model takes one, an instruction."""
        profile = self.profile
        instruction = (rule.instruction or profile.instruction) if profile.instruction else None
        return RerankCall(profile.query + query, [profile.document + text for text in texts], self.model, instruction)

    def probabilities(self, scores: Iterable[float]) -> list[float]:
        """Convert raw scores of the server to probabilities in [0, 1]."""
        return probabilities(self.profile, scores, self.backend.raw)

    def _cut_query(self, query: str) -> str:
        """Cut a query to its part of the context."""
        limit = self._max_query_tokens
        if len(query.encode("utf-8")) <= limit:
            return query
        return chunking.passages([query], "", Limits(LongDocumentMode.TRUNCATE, limit, limit), self.tokens)[0][0]

    @property
    def _max_query_tokens(self) -> int:
        """The part of the context that the query may take."""
        return self.profile.max_tokens // _QUERY_DIVISOR

    def _limits(self, long: LongDocuments, query: str) -> Limits:
        """Return the limits of the rule, or of the profile, in the context that the query leaves."""
        profile = self.profile
        limit = long.max_passage_tokens or profile.max_passage_tokens
        room = profile.max_tokens - profile.overhead
        if len(query.encode("utf-8")) > room - limit:
            limit = min(limit, room - min(self._max_query_tokens, len(self.tokens(query))))
        return Limits(long.mode or profile.long, limit, long.max_search_tokens or self.max_search_tokens)


def approximate_tokens(text: str) -> int:
    """Estimate how many tokens a text has, for limits and throughput."""
    return _tokens(len(text.encode("utf-8", "replace")))


def _tokens(size_bytes: int) -> int:
    """Estimate the tokens of a text from its length in UTF-8."""
    return int(size_bytes / _BYTES_PER_TOKEN) + 1


def escape_special_tokens(special: Sequence[str], texts: Iterable[str | None]) -> list[str | None]:
    """Put a space into each special token, so that no text can change the prompt, and replace lone surrogates.

    Args:
        special: The special tokens of the model.
        texts: Query and documents; None stays None.

    """
    replacements = [(token, f"{token[0]} {token[1:]}") for token in special]
    return [_clean(text, replacements) if text else text for text in texts]


def _clean(text: str, replacements: Sequence[tuple[str, str]]) -> str:
    """Replace special tokens and lone surrogates in one text."""
    text = text.encode("utf-8", "replace").decode()
    for token, escaped in replacements:
        if token in text:
            text = text.replace(token, escaped)
    return text


def probabilities(profile: Profile, scores: Iterable[float], raw: bool) -> list[float]:
    """Convert a model's scores to probabilities in [0, 1], in float64.

    Args:
        profile: The model family; its `slope` and `center` calibrate cosines.
        scores: The scores of a rerank server.
        raw: Whether a cross-encoder's scores are logits; they are probabilities otherwise.

    """
    if not raw and not profile.cosine:
        return [min(max(score, 0.0), 1.0) for score in scores]
    return [_sigmoid(profile.slope * (score - profile.center)) for score in scores]


def _sigmoid(logit: float) -> float:
    """Return 1 / (1 + e^-logit) without overflow."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
