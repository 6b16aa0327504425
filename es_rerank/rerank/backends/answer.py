"""The types and checks that all backends share: the call to a rerank server, and the validation of its response."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, TypeVar

Item = TypeVar("Item")
_index = itemgetter(0)


class BadAnswerError(ValueError):
    """The response of a rerank server does not contain exactly one finite score, or one vector, per text."""


@dataclass(frozen=True, slots=True)
class RerankCall:
    """The content of one request to a rerank server. `query` and `texts` include the profile's prefixes.

    In a request for vectors, `query` is empty, and the query is the first of the texts.
    """

    query: str
    texts: Sequence[str]
    model: str
    instruction: str | None = None

    def halved(self) -> RerankCall:
        """Return the call with each text cut to half its length, for a retry after an error about too long texts."""
        return replace(self, texts=[text[: len(text) // 2] for text in self.texts])


def scores(rows: Any, count: int, key: str) -> list[float]:
    """Return the scores in `[{"index": i, key: score}, ...]`, sorted by index, which is the order of the texts.

    Args:
        rows: The parsed JSON array.
        count: The number of texts in the request.
        key: The name of the member with the score.

    Raises:
        BadAnswerError: If the indices are not exactly 0 to count - 1, or a score is not a finite number.

    """
    return by_index(rows, count, key, _finite)


def by_index(rows: Any, count: int, key: str, read: Callable[[Any], Item | None]) -> list[Item]:
    """Return the members *key* of `[{"index": i, key: value}, ...]`, sorted by index, which is the order of the texts.

    Args:
        rows: The parsed JSON array.
        count: The number of texts in the request.
        key: The name of the member.
        read: Converts a member; returns None if it is invalid.

    Raises:
        BadAnswerError: If the indices are not exactly 0 to count - 1, or a member is invalid.

    """
    if not isinstance(rows, list):
        raise BadAnswerError(f"no {key} for {count} texts")
    found: list[tuple[int, Item]] = []
    for row in rows:
        index, member_ = (row.get("index"), row.get(key)) if type(row) is dict else (None, None)
        value = read(member_)
        if type(index) is not int or value is None:
            raise BadAnswerError(f"a row without index or valid {key}")
        found.append((index, value))
    found.sort(key=_index)
    if [index for index, _ in found] != list(range(count)):
        raise BadAnswerError(f"{len(rows)} rows with {key} for {count} texts")
    return [value for _, value in found]


def _finite(score: Any) -> float | None:
    """Return a score as a float, or None if it is not a finite number."""
    if type(score) is float:
        return score if math.isfinite(score) else None
    try:
        return float(score) if type(score) is int else None
    except OverflowError:
        return None


def member(body: Any, name: str) -> Any:
    """Return the member *name* of a JSON object. Raises BadAnswerError if it is missing or *body* is not an object."""
    if not isinstance(body, dict) or name not in body:
        raise BadAnswerError(f"no {name!r} in the response")
    return body[name]
