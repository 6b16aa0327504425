"""Reads the options for the searches of a request from its `X-Rerank-*` headers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from es_rerank.config.types import seconds
from es_rerank.errors import RequestError
from es_rerank.model import CallOptions

# `off` turns reranking off, and `shadow` selects shadow mode. `on` has no effect: the rule decides.
_MODE = "X-Rerank-Mode"
_MODES = ("on", "off", "shadow")
# Time limit, such as `500ms`. It can shorten the rule's deadline but not extend it.
_DEADLINE = "X-Rerank-Deadline"
# Maximum number of hits that the model reads, such as `20`. It can reduce the rule's window but not extend it.
_WINDOW = "X-Rerank-Window"
_MIN_WINDOW, _MAX_WINDOW = 2, 1000
_NUMBER = re.compile(r"[0-9]{1,4}")
# Key that decides whether a search is in the sample of a rule with `mode: sample`.
_KEY = "X-Rerank-Key"


def call_options(headers: Mapping[str, str], arrived: float, *, two_phase: bool) -> CallOptions:
    """Return the options for the searches of a request.

    Args:
        headers: The request headers, in a mapping that ignores case.
        arrived: When the request arrived, as a value of `time.monotonic()`.
        two_phase: Whether searches at the request's endpoint may be split into a query phase and a fetch phase.

    Raises:
        RequestError: A header has an invalid value.

    """
    mode = _mode(headers)
    return CallOptions(
        arrived=arrived,
        deadline=arrived + _time_limit(headers),
        two_phase=two_phase,
        off=mode == "off",
        shadow=mode == "shadow",
        sampling_key=headers.get(_KEY, ""),
        window=_window(headers),
    )


def _mode(headers: Mapping[str, str]) -> str:
    """Return the mode that the client requests, in lower case; `on` if the client requests none."""
    mode = headers.get(_MODE, _MODES[0]).strip().lower()
    if mode not in _MODES:
        raise RequestError(f"{_MODE}: must be {', '.join(_MODES[:-1])} or {_MODES[-1]}")
    return mode


def _time_limit(headers: Mapping[str, str]) -> float:
    """Return the client's time limit for the request, in seconds; infinity if the client sets no limit."""
    value = headers.get(_DEADLINE)
    try:
        return math.inf if value is None else seconds(value)
    except ValueError as error:
        raise RequestError(f"{_DEADLINE}: {error}") from error


def _window(headers: Mapping[str, str]) -> int | None:
    """Return the client's maximum number of hits for the model to read; None if the client sets no maximum."""
    value = headers.get(_WINDOW)
    if value is None:
        return None
    number = int(value) if _NUMBER.fullmatch(value) else 0
    if not _MIN_WINDOW <= number <= _MAX_WINDOW:
        raise RequestError(f"{_WINDOW}: must be a number from {_MIN_WINDOW} to {_MAX_WINDOW}")
    return number
