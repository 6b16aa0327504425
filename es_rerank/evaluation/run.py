"""The searches of an evaluation: for each judged query one search of the baseline and one of the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from es_rerank.evaluation.client import SearchTarget, search, session
from es_rerank.evaluation.journal import Journal, Searches
from es_rerank.evaluation.judgments import Judgments
from es_rerank.evaluation.template import Template
from es_rerank.evaluation.values import Comparison, Query, Side

Progress = Callable[[int, int], None]
"""Called after each query, with the number of queries that are done, and of all queries."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to search.

    Attributes:
        targets: The baseline and the endpoint.
        template: The search body.
        size: Number of hits of each search.
        ca: PEM file of the CA certificates to trust, instead of the system's.

    """

    targets: Mapping[Side, SearchTarget]
    template: Template
    size: int
    ca: Path | None = None

    def conditions(self) -> dict[str, object]:
        """Return the conditions of the results as JSON values, without headers, which can contain secrets."""
        urls = {str(side): target.url for side, target in self.targets.items()}
        return {**urls, "index": self.targets[Side.ENDPOINT].index, "template": self.template.body, "size": self.size}


def judged(queries: Sequence[Query], judgments: Judgments) -> list[Query]:
    """Return the queries that have judgments, in the order of the file."""
    return [query for query in queries if judgments.of(query)]


async def compare(
    task: Task, queries: Sequence[Query], judgments: Judgments, journal: Journal, progress: Progress
) -> list[Comparison]:
    """Search for every query, except those in the journal, and return the searches of all.

    One search is made at a time, so that the times are those of an idle engine. The two sides take turns in being
    searched first, so that neither side benefits more often from the engine's caches that the other has filled.

    Raises:
        SearchError: If a search fails. The journal has the searches that were made before.

    """
    found: list[Comparison] = []
    async with session(task.ca) as client:
        with journal.writer() as writer:
            for number, query in enumerate(queries, 1):
                done = journal.get(query)
                if done is None:
                    done = await _search_both(client, task, query, endpoint_first=number % 2 == 0)
                    writer.add(query, done)
                found.append(Comparison(query, judgments.of(query), done[Side.BASELINE], done[Side.ENDPOINT]))
                progress(number, len(queries))
    return found


async def _search_both(client: aiohttp.ClientSession, task: Task, query: Query, *, endpoint_first: bool) -> Searches:
    """Search the baseline and the endpoint for one query."""
    body = task.template.search(query, task.size)
    sides = sorted(Side, key=lambda side: (side is Side.ENDPOINT) != endpoint_first)
    return {side: await search(client, task.targets[side], body) for side in sides}
