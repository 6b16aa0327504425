"""What all dialects share: the call, and what is demanded of a response."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


class BadAnswerError(ValueError):
    """The response is not one finite score for each text."""


@dataclass(frozen=True, slots=True)
class RerankCall:
    """One request to a rerank server: a query and the texts to score, with the profile's prefixes."""

    query: str
    texts: Sequence[str]
    model: str
    instruction: str | None = None

    def halved(self) -> RerankCall:
        """Return the call with all texts cut to half their length, for when the tokens were underestimated."""
        return replace(self, texts=[text[: len(text) // 2] for text in self.texts])


def scores(rows: Any, count: int, key: str) -> list[float]:
    """Read `[{"index": i, key: score}, ...]` and put the scores into the order in which the texts were sent.

    Args:
        rows: The decoded rows.
        count: How many texts were sent.
        key: The member with the score.

    Raises:
        BadAnswerError: The indices are not a permutation of 0 to count - 1, or a score is not a finite number.

    """
    if not isinstance(rows, list):
        raise BadAnswerError(f"no scores for {count} texts")
    by_index: dict[int, float] = {}
    for row in rows:
        index, score = (row.get("index"), row.get(key)) if isinstance(row, dict) else (None, None)
        value = _finite(score)
        if type(index) is not int or value is None:
            raise BadAnswerError(f"a row without index or finite {key}")
        by_index[index] = value
    if len(rows) != count or set(by_index) != set(range(count)):
        raise BadAnswerError(f"{len(rows)} scores for {count} texts")
    return [by_index[index] for index in range(count)]


def _finite(score: Any) -> float | None:
    """Return a score as a float; None for anything but a finite number."""
    try:
        value = float(score) if type(score) in {int, float} else math.nan
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def member(body: Any, name: str) -> Any:
    """Return a member of a JSON object. Raises BadAnswerError if it has none of this name."""
    if not isinstance(body, dict) or name not in body:
        raise BadAnswerError(f"no {name!r} in the response")
    return body[name]
