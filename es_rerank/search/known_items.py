"""Recognizes searches for one known item by its title, name or identifier. Their first hit stays first."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from es_rerank.model import Protection
from es_rerank.search.scoring import PINNED

_MAX_TITLE_CHARACTERS = 500


def known_item(
    engine: Sequence[float], model: Sequence[float | None], *, exact: bool, protection: Protection
) -> int | None:
    """Return the position of the engine's first hit if it is a known item, and the model does not prefer another hit.

    Args:
        engine: The engine's score of every fetched hit, in the engine's order.
        model: A probability for each hit of the window; None for a hit that was not scored.
        exact: Whether the first hit is an exact match; see `is_exact`.
        protection: The thresholds of the rule.

    Returns:
        The position of the hit, after pinned hits; None if the search has no known item.

    """
    first = first_hit(engine)
    if first >= len(model) or (own := model[first]) is None:
        return None
    second = engine[first + 1] if first + 1 < len(engine) else engine[first]
    ahead = 0 < protection.score_ratio * second <= engine[first]
    best = max(p for p in model if p is not None)
    return first if (exact or ahead) and best - own < protection.margin else None


def first_hit(engine: Sequence[float]) -> int:
    """Return the position of the first hit that is not pinned; the number of hits if all are pinned."""
    return next(at for at in count() if at == len(engine) or engine[at] < PINNED)


def is_exact(text: str, key: str, source: tuple[Mapping[str, Any], Mapping[str, Any]], fields: Sequence[str]) -> bool:
    """Return whether a query text is the id of a hit, or the whole text of one of its fields.

    Differences in case, white space and punctuation are ignored.

    Args:
        text: The query text.
        key: The `_id` of the hit.
        source: The decoded `_source` and `fields` of the hit.
        fields: The fields to compare, as dotted paths.

    """
    wanted = _letters(text)
    found = (key, *(value for name in fields for part in source for value in _values(part, name)))
    return bool(wanted) and any(wanted == _letters(value) for value in found if len(value) <= _MAX_TITLE_CHARACTERS)


def _values(source: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the strings at the dotted path of a field; each string in an array separately."""
    value: Any = source.get(name)
    if value is None:
        value = source
        for step in name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _letters(text: str) -> str:
    """Return the letters and digits of a text, without differences of case and of compatibility characters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
