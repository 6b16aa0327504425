"""What every dialect shares: the question, and the demands on an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


class BadAnswerError(ValueError):
    """The server's answer is no full set of finite scores."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to the model: a query and the texts to score, with prefixes applied already."""

    query: str
    texts: Sequence[str]
    model: str
    instruction: str | None = None

    def halved(self) -> Question:
        """Cut all texts to half: what a wrong guess at tokens needs."""
        return replace(self, texts=[text[: len(text) // 2] for text in self.texts])


def scores(rows: Any, count: int, key: str) -> list[float]:
    """Put `[{"index": i, key: score}, ...]` into the order the texts were sent in.

    Raises BadAnswerError unless the indices are a permutation of 0..count-1 and every score is a finite number.
    """
    if not isinstance(rows, list):
        raise BadAnswerError(f"no scores for {count} texts")
    found: dict[int, float] = {}
    for row in rows:
        index, score = (row.get("index"), row.get(key)) if isinstance(row, dict) else (None, None)
        value = _finite(score)
        if type(index) is not int or value is None:
            raise BadAnswerError(f"no finite {key} with an index in a row")
        found[index] = value
    if len(found) != count or len(rows) != count or set(found) != set(range(count)):
        raise BadAnswerError(f"{len(rows)} scores for {count} texts")
    return [found[at] for at in range(count)]


def _finite(score: Any) -> float | None:
    """Read a score; None for anything but a number that a float can hold."""
    try:
        value = float(score) if type(score) in {int, float} else math.nan
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def member(body: Any, name: str) -> Any:
    """Read a member of a JSON object; raises BadAnswerError if there is none."""
    if not isinstance(body, dict) or name not in body:
        raise BadAnswerError(f"no {name!r} in the answer")
    return body[name]
