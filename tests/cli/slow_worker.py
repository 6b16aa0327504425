"""A worker that takes its time to stop. In a module of its own, so that the process imports little."""

from __future__ import annotations

import signal
import sys
import time


def work(*_: object) -> None:
    """End a moment after SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.2), sys.exit(0)))
    time.sleep(60)
