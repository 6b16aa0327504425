"""One search of a request with many searches, and the lines with which it is sent to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from es_rerank.model import Plan, Search, Skip, Why
from es_rerank.search.engine_request.widen import widen_item
from es_rerank.search.formats.endpoints import ParsedSearch
from es_rerank.search.formats.search_template import inline

# Sent instead of a search that cannot be sent, so that each response has the same position as its search.
_NO_SEARCH = b'{"size":0,"query":{"match_none":{}}}'

# Maximum number of hits that all searches of a request fetch for the model in addition to the hits of their pages.
MAX_ADDED_HITS = 10_000

Line = tuple[bytes, bytes]
"""Header and body of one search."""


@dataclass(frozen=True, slots=True)
class Part:
    """One search of a request: as the client sent it, its body, and the plan or the reason why it has no plan.

    The body is None if the search template was not rendered. Native rerankers are removed from the body, because an
    engine that does not support one of them would reject the whole request.
    """

    parsed: ParsedSearch
    body: bytes | None
    search: Search | Skip
    plan: Plan | Skip

    @property
    def header(self) -> bytes:
        """The header line of the search in a request with many searches."""
        return self.parsed.header or b"{}"

    def line(self, phase: Plan | None = None) -> Line:
        """Return header and body for the engine, as *phase* or the search's plan requires; unchanged without a plan."""
        plan = phase or self.plan
        if isinstance(plan, Plan) and isinstance(self.search, Search):
            return self.header, widen_item(self.search, plan)
        return self.header, self._plain(self.body or _NO_SEARCH)

    @property
    def own_line(self) -> Line:
        """Header and body of the client's own search or template."""
        body = self._plain(self.parsed.body)
        return self.header, body if self.parsed.template is None or body is self.parsed.body else inline(body)

    def _plain(self, body: bytes) -> bytes:
        """Return *body*, or the body without native rerankers if the search has native rerankers."""
        return self.search.body.raw if isinstance(self.search, Search) and self.search.without_reranker else body


def within_limit(parts: Sequence[Part]) -> list[Part]:
    """Return the searches. If they would fetch too many hits together, the last ones have a skip instead of a plan."""
    kept = []
    added = 0
    for part in parts:
        if isinstance(part.plan, Plan):
            added += max(0, part.plan.fetch.size - part.plan.size)
        too_many = added > MAX_ADDED_HITS and isinstance(part.plan, Plan)
        kept.append(replace(part, plan=Skip(Why.TOO_LARGE)) if too_many else part)
    return kept
