"""Prepares the model's input: enforces length limits, adds the model's prefixes, and escapes its special tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from es_rerank.model import LongDocumentMode, LongDocuments, Rule
from es_rerank.rerank.backends import Backend, RerankCall
from es_rerank.rerank.chunking import Limits, cut
from es_rerank.rerank.profiles import Profile
from es_rerank.rerank.special_tokens import escape_special_tokens

# The query may use up to 1/4 of the model's context.
_QUERY_DIVISOR = 4
# Bytes per token: between English (about 4) and Chinese (about 3). An approximation is enough, because throughput is
# measured in the same approximate tokens.
_BYTES_PER_TOKEN = 3.5
# Maximum of `Limits.context_tokens`, as a multiple of the maximum passage length.
_CONTEXT_PER_LIMIT = 4
# A context is long if it has room for this many passages.
_LONG_CONTEXT_PASSAGES = 8
# A cache key consists of two digests of this length and a number. It takes 64 bytes of memory in CPython, which is not
# more than a single digest of 16 bytes takes.
_DIGEST_BYTES = 14
# Maximum length of a character in UTF-8.
_MAX_BYTES = 4


class Passage(NamedTuple):
    """A text to be scored and its approximate number of tokens."""

    text: str
    tokens: int


@dataclass(slots=True)
class Document:
    """The text of one hit.

    Attributes:
        text: The text as the engine returned it.
        size: Length of the text in UTF-8 bytes.
        tokens: Approximate length of the text in tokens.
        digest: Digest of the text, which is a part of the keys of cached passage positions, scores and vectors.
        readable: The part of the text that the model may read, with escaped special tokens; None until it is needed.

    """

    text: str
    size: int
    tokens: int
    digest: bytes
    readable: str | None = None


@dataclass(frozen=True, slots=True)
class PromptBuilder:
    """Builds the requests for one model.

    Attributes:
        backend: The API of the rerank server.
        profile: The profile of the model.
        model: The model name to send to the server.
        max_search_tokens: Maximum number of tokens per search, for rules that set no limit.

    """

    backend: Backend
    profile: Profile
    model: str
    max_search_tokens: int

    def query(self, query: str) -> str:
        """Return a query with escaped special tokens, truncated to at most its share of the model's context."""
        share = self.profile.max_tokens // _QUERY_DIVISOR
        limits = Limits(LongDocumentMode.TRUNCATE, share, share, self.profile.max_tokens // 2)
        (cleaned,) = escape_special_tokens(self.profile.special, [query[: limits.readable_characters]])
        if not cleaned or len(cleaned) * _MAX_BYTES <= share:
            return cleaned or ""
        return cut(cleaned, limits, self.profile.rates.measure).text(cleaned, 0)

    def limits(self, long: LongDocuments, query: str) -> Limits:
        """Return the limits of passages. Limits that the rule does not set are taken from the profile.

        Args:
            long: The limits that the rule sets.
            query: The query text, as returned by `query`.

        """
        profile = self.profile
        room = profile.max_tokens - profile.overhead
        if not profile.cosine:
            room -= profile.rates.measure(query).most
        limit = min(long.max_passage_tokens or profile.max_passage_tokens, room)
        # More context makes no difference. With this maximum, most queries have equal limits, and a cached cut, whose
        # key has the limits, serves all of them.
        room = min(room, _CONTEXT_PER_LIMIT * limit)
        mode = long.mode or profile.long or _mode(profile.max_tokens, limit)
        return Limits(mode, limit, long.max_search_tokens or self.max_search_tokens, room)

    def readable(self, documents: Sequence[Document], limits: Limits) -> list[str]:
        """Return the part of each document that the model may read: its start, with escaped special tokens.

        The result is stored in the document, so that it is computed only once.
        """
        waiting = [document for document in documents if document.readable is None]
        starts = [document.text[: limits.readable_characters] for document in waiting]
        for document, text in zip(waiting, escape_special_tokens(self.profile.special, starts), strict=True):
            document.readable = text or ""
        return [document.readable or "" for document in documents]

    def call(self, query: str, texts: Iterable[str], rule: Rule) -> RerankCall:
        """Return the call that scores *texts*, with the profile's prefixes and, if the model takes one, an instruction.

        For a backend with vectors, it is the call for the vectors of the query and of *texts*, in this order.

        Args:
            query: The query text, without prefix.
            texts: The passages, without prefix.
            rule: The rule, whose instruction overrides the profile's.

        """
        profile = self.profile
        instruction = (rule.instruction or profile.instruction) if profile.instruction else None
        query, passages = profile.query + query, [profile.document + text for text in texts]
        if self.backend.has_vectors:
            return RerankCall("", [query, *passages], self.model)
        return RerankCall(query, passages, self.model, instruction)

    def probabilities(self, scores: Iterable[float]) -> list[float]:
        """Convert the server's raw scores to probabilities in [0, 1]."""
        return probabilities(self.profile, scores, self.backend.raw)


def _mode(context: int, limit: int) -> LongDocumentMode:
    """Return the default mode: `max_passage` if the context is much longer than a passage, otherwise `truncate`.

    The answer is often not in the first passage, and a model with a long context reads several of them well.
    """
    is_long = context >= _LONG_CONTEXT_PASSAGES * limit
    return LongDocumentMode.MAX_PASSAGE if is_long else LongDocumentMode.TRUNCATE


def read_documents(texts: Iterable[str]) -> list[Document]:
    """Return each text as a document."""
    return [_document(text) for text in texts]


def _document(text: str) -> Document:
    """Return a document with the digest of its text. Lone surrogates count as question marks, which the model gets."""
    encoded = text.encode("utf-8", "replace")
    size = len(encoded)
    # Most processors compute SHA-256 faster than BLAKE2b.
    return Document(text, size, approximate_tokens(size), sha256(encoded).digest()[:_DIGEST_BYTES])


def approximate_tokens(size: int) -> int:
    """Estimate the number of tokens of a text of *size* bytes in UTF-8, for load limits and throughput."""
    return int(size / _BYTES_PER_TOKEN) + 1


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
