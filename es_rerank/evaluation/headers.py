"""Parses the response headers in which es-rerank reports the outcome and the times of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_REDUCED = "window reduced"
_NO_HEADER = "no X-Rerank header"


@dataclass(frozen=True, slots=True)
class ReportedOutcome:
    """The outcome of one search, as reported in the header `X-Rerank`.

    Attributes:
        label: The state, and the reason if there is one, such as `failed; why=deadline`. It is `window reduced` if
            fewer hits than planned were reranked, and `no X-Rerank header` if the header is missing.
        window: Number of hits that the model scored.
        cached: Number of these hits whose scores came from the cache.

    """

    label: str
    window: int = 0
    cached: int = 0


def parse_outcome(header: str) -> ReportedOutcome:
    """Return the outcome in the value of `X-Rerank`. The value is empty if the response has no such header."""
    state, *parts = header.split("; ")
    values = {name: value for name, equals, value in (part.partition("=") for part in parts) if equals}
    label = _REDUCED if "of" in values else f"{state}; why={values['why']}" if "why" in values else state
    return ReportedOutcome(label or _NO_HEADER, _count(values, "window"), _count(values, "cached"))


def parse_timings(header: str) -> dict[str, float]:
    """Return the duration in seconds of each entry of `Server-Timing`, by name. Entries without `dur` are left out.

    Format: https://www.w3.org/TR/server-timing/#the-server-timing-header-field
    """
    found = {}
    for entry in header.split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        duration = next((text[4:] for text in parameters if text.startswith("dur=")), "")
        try:
            found[name] = float(duration) / 1e3
        except ValueError:
            continue
    return found


def _count(values: Mapping[str, str], name: str) -> int:
    """Return the value *name* as a number, or 0 if it is missing or malformed."""
    text = values.get(name, "")
    return int(text) if text.isdecimal() else 0
