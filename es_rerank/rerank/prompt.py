"""What the model is given to read: query and documents cut to its limits, in its own words. Pure but for `tokens`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.model import LongDocuments, Rule, ScoreRequest
from es_rerank.rerank.backends import Backend, Question
from es_rerank.rerank.chunking import Limits, Tokens, estimate, passages
from es_rerank.rerank.profiles import Profile, escape_special_tokens, probability

_QUERY_SHARE = 4
_MUCH = 200_000


@dataclass(slots=True)
class PromptBuilder:
    """How one model is asked.

    `max_search_tokens` is the limit where a rule has none; `tokens` is set once the tokenizer is loaded.
    """

    backend: Backend
    profile: Profile
    model: str
    max_search_tokens: int
    tokens: Tokens = estimate

    def cut(self, ask: ScoreRequest) -> tuple[str, list[list[str]]]:
        """Cut the query, and each document into its passages; the query may take a quarter of the model's context.

        Special tokens are broken up before the tokens are counted: each becomes several.
        """
        profile, long = self.profile, ask.rule.long
        most = profile.max_tokens // _QUERY_SHARE
        query = passages([escape_special_tokens(profile, ask.query)], "", Limits("truncate", most, most), self.tokens)[
            0
        ][0]
        room = profile.max_tokens - profile.overhead - min(most, len(self.tokens(query)))
        documents = [text and escape_special_tokens(profile, text) for text in ask.documents]
        return query, passages(documents, query, self._limits(long, room), self.tokens)

    def question(self, query: str, texts: Sequence[str], rule: Rule) -> Question:
        """Put the profile's prefixes and instruction to a batch of passages."""
        profile = self.profile
        instruction = (rule.instruction or profile.instruction) if profile.instruction else None
        return Question(profile.query + query, [profile.document + text for text in texts], self.model, instruction)

    def probability(self, score: float) -> float:
        """Map a score of the server to a probability."""
        return probability(self.profile, score, self.backend.raw)

    def _limits(self, long: LongDocuments, room: int) -> Limits:
        """Apply the rule's limits, and the profile's where it has none, within *room* tokens."""
        limit = min(long.max_passage_tokens or self.profile.max_passage_tokens, room)
        return Limits(long.mode or self.profile.long, limit, long.max_search_tokens or self.max_search_tokens)


def much(ask: ScoreRequest) -> bool:
    """Tell whether there is so much to tokenize that nobody else should wait for it."""
    return sum(len(one or "") for one in ask.documents) >= _MUCH
