"""Reserves disk space for the metrics that workers share.

prometheus-client maps the files with these metrics into memory. On a full disk, the first write to a new page would end
the process (SIGBUS), and then each process that replaces it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import structlog
from prometheus_client import values

from es_rerank.server.metric_table import METRICS
from es_rerank.server.metrics import SHARED_FOLDER

log = structlog.get_logger()

# The size of the file of each type of metric, in bytes. Only counters have labels with many values, such as rules.
_SIZE, _COUNTERS_SIZE = 64 * 1024, 256 * 1024
# The mode of a gauge of `ProcessMetrics`, in addition to those in `METRICS`.
_START_MODE = "livemin"


def share_metrics() -> None:
    """Reserve disk space for the metrics of this worker. Without enough space, the worker does not share its metrics.

    Must be called before the metrics are registered.
    """
    folder = os.environ.get(SHARED_FOLDER)
    if folder is None:
        return
    try:
        reserve(Path(folder))
    except OSError as error:
        log.warning("the metrics of this worker are not added to those of others", folder=folder, reason=error.strerror)
        del os.environ[SHARED_FOLDER]
        values.ValueClass = values.MutexValue


def reserve(folder: Path) -> None:
    """Create the files with the metrics of this process, with space on the disk.

    Raises:
        OSError: The disk is full. No file is left.

    """
    made: list[Path] = []
    try:
        for kind, size in _sizes():
            # Other workers read all files with this ending.
            made.append(folder / f"{kind}_{os.getpid()}.db")
            part = made[-1].with_suffix(".part")
            try:
                part.write_bytes(bytes(size))
                part.rename(made[-1])
            finally:
                part.unlink(missing_ok=True)
    except OSError:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _sizes() -> Iterator[tuple[str, int]]:
    """Yield the prefix of each file's name, as prometheus-client chooses it, and the size of the file in bytes."""
    yield "counter", _COUNTERS_SIZE
    yield "histogram", _SIZE
    for mode in sorted({_START_MODE, *(row.over_workers for row in METRICS.values() if row.kind == "gauge")}):
        yield f"gauge_{mode}", _SIZE
