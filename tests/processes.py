"""Waiting for child processes, for all tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LIMIT_SECONDS = 60.0
_POLL_SECONDS = 0.005


def wait_for(condition: Callable[[], Any], what: str = "", limit_s: float = LIMIT_SECONDS) -> None:
    """Wait until a condition holds, or fail with *what* after *limit_s* seconds. In coroutines use `testing.until`."""
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(_POLL_SECONDS)
