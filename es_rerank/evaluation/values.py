"""The values that the parts of an evaluation exchange: judged queries, and the searches for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Query:
    """A query to evaluate.

    Attributes:
        id: The id that the judgments refer to.
        text: The query text, which replaces `{{query}}` in the template.
        fields: The other columns of the query, such as its language, by name.

    """

    id: str
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)


Ratings = Mapping[str, float]
"""The rating of each judged document by its id, for one query. A document without a rating is unjudged."""


class Side(StrEnum):
    """The two rankings that an evaluation compares: without and with reranking."""

    BASELINE = "baseline"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class FoundHit:
    """A hit as shown in the report: its id, and the start of its title or text."""

    id: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """One search of an evaluation.

    Attributes:
        hits: The hits in the order of the response.
        seconds: Time from sending the request to the end of the response, in seconds.
        outcome: The value of the header `X-Rerank`; empty if the response has none.

    """

    hits: Sequence[FoundHit]
    seconds: float
    outcome: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the hits, in order. An id that is in two indices is listed once, at its first rank."""
        return tuple(dict.fromkeys(hit.id for hit in self.hits))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The two searches for one query, and the query's judgments.

    Attributes:
        query: The query.
        ratings: The rating of each judged document, by id.
        baseline: The search on the baseline.
        endpoint: The search on the endpoint.
        windows: Additional searches on the endpoint with smaller windows, by window.

    """

    query: Query
    ratings: Ratings
    baseline: SearchRecord
    endpoint: SearchRecord
    windows: Mapping[int, SearchRecord] = field(default_factory=dict)

    def of(self, side: Side) -> SearchRecord:
        """Return the search of the baseline or of the endpoint."""
        return self.baseline if side is Side.BASELINE else self.endpoint
