"""Runs the searches of an evaluation: sends each judged query to the baseline and to the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from es_rerank.evaluation.client import SearchTarget, search, session
from es_rerank.evaluation.journal import Journal, Searches
from es_rerank.evaluation.judgments import Judgments
from es_rerank.evaluation.template import Template
from es_rerank.evaluation.values import Comparison, Query, Side

_WINDOW_HEADER = "X-Rerank-Window"

Progress = Callable[[int, int], None]
"""Called after each query, with the number of finished queries and the number of all queries."""


@dataclass(frozen=True, slots=True)
class Task:
    """The inputs of the searches, apart from the queries.

    Attributes:
        targets: The index, URL and headers of the baseline and of the endpoint.
        template: The search body, with placeholders for the query.
        size: Number of hits that each search requests.
        ca: PEM file of the CA certificates to trust, instead of those of the system.
        windows: Smaller windows with which each query is also sent to the endpoint.

    """

    targets: Mapping[Side, SearchTarget]
    template: Template
    size: int
    ca: Path | None = None
    windows: Sequence[int] = ()

    def conditions(self) -> dict[str, object]:
        """Return the inputs that results depend on, as JSON values. Headers are left out: they can contain secrets."""
        urls = {str(side): target.url for side, target in self.targets.items()}
        windows = {"windows": list(self.windows)} if self.windows else {}
        index = self.targets[Side.ENDPOINT].index
        return {**urls, "index": index, "template": self.template.body, "size": self.size, **windows}


def judged(queries: Sequence[Query], judgments: Judgments) -> list[Query]:
    """Return the queries that have judgments, in the given order."""
    return [query for query in queries if judgments.of(query)]


async def compare(
    task: Task, queries: Sequence[Query], judgments: Judgments, journal: Journal, progress: Progress
) -> list[Comparison]:
    """Send every query that is not in the journal to baseline and endpoint, and return the results for all queries.

    Searches are sent one at a time, so that response times are those of an idle engine. Every second query is sent to
    the endpoint first, because the second search of a query can be faster: the first one fills the engine's caches.

    Raises:
        SearchError: If a search fails. The journal then has the searches of the queries before it.

    """
    found: list[Comparison] = []
    async with session(task.ca) as client:
        with journal.writer() as writer:
            for number, query in enumerate(queries, 1):
                done = journal.get(query)
                if done is None:
                    done = await _search_all(client, task, query, endpoint_first=number % 2 == 0)
                    writer.add(query, done)
                before, after = (done.sides[side] for side in Side)
                found.append(Comparison(query, judgments.of(query), before, after, done.windows))
                progress(number, len(queries))
    return found


async def _search_all(client: aiohttp.ClientSession, task: Task, query: Query, *, endpoint_first: bool) -> Searches:
    """Send one query to the baseline and to the endpoint, and then to the endpoint with each smaller window."""
    body = task.template.search(query, task.size)
    order = sorted(Side, key=lambda side: (side is Side.ENDPOINT) != endpoint_first)
    sides = {side: await search(client, task.targets[side], body) for side in order}
    endpoint = task.targets[Side.ENDPOINT]
    return Searches(sides, {n: await search(client, _with_window(endpoint, n), body) for n in task.windows})


def _with_window(target: SearchTarget, window: int) -> SearchTarget:
    """Return the target with a header that reduces the window to *window* hits."""
    return replace(target, headers={**target.headers, _WINDOW_HEADER: str(window)})
