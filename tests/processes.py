"""Waiting for child processes of tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LIMIT_SECONDS = 60.0
_POLL_SECONDS = 0.005


def wait_for(condition: Callable[[], Any], what: str = "") -> None:
    """Wait until a condition holds; fail with *what* after LIMIT_SECONDS. In coroutines: es_rerank.testing.until."""
    limit = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(_POLL_SECONDS)
