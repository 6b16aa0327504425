"""Limits the work of planning a search, so that no request blocks the event loop for more than 50 ms."""

from __future__ import annotations

from dataclasses import dataclass, fields

# Maximum number of searches of one request that are planned in a row, before the event loop runs other tasks.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class PlanningBudget:
    """Limits for planning one search. Over a limit, the search is sent to the engine unchanged.

    Each limit is about 20 ms of work on one core.

    Attributes:
        size: Size of the body, in bytes.
        values: Number of JSON values in the body.
        objects: Number of JSON objects in the body: each may be a query clause.
        arrays: Number of JSON arrays in the body.
        syntax_tokens: Number of words and operators in texts with a query syntax, such as `query_string`. Texts beyond
            this limit are not parsed; only their operators are removed.
        comparisons: Number of comparisons of a field name with a wildcard pattern.

    """

    size: int = 4_000_000
    values: int = 200_000
    objects: int = 10_000
    arrays: int = 50_000
    syntax_tokens: int = 300
    comparisons: int = 50_000

    def shared(self, searches: int) -> PlanningBudget:
        """Return the budget for each search of a request that has *searches* searches."""
        parts = max(1, min(searches, _AT_ONCE))
        return PlanningBudget(*(getattr(self, limit.name) // parts for limit in fields(self)))

    def covers(self, body: bytes) -> bool:
        """Return whether a search body is within the limits. Brackets and commas inside strings are counted as well."""
        if len(body) <= min(self.values, self.objects, self.arrays):
            return True
        if len(body) > self.size or body.count(b",") >= self.values:
            return False
        return body.count(b"{") <= self.objects and body.count(b"[") <= self.arrays


DEFAULT_BUDGET = PlanningBudget()
"""The budget of a request with one search."""
