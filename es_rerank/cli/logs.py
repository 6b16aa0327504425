"""Configures the log on standard error: readable text on a terminal, otherwise JSON lines. Includes libraries' logs."""

from __future__ import annotations

import logging
import sys
from typing import TextIO, cast

import structlog

from es_rerank.cli.log_output import LogOutput


class _LibraryHandler(logging.Handler):
    """Converts the log records of libraries, which use the module `logging`, to structlog events."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
        )


def configure(level: str) -> None:
    """Write log events of at least *level* (`debug`, `info`, `warning` or `error`) to standard error."""
    root = logging.getLogger()
    if not any(isinstance(handler, _LibraryHandler) for handler in root.handlers):
        root.addHandler(_LibraryHandler(logging.WARNING))
    logging.captureWarnings(capture=True)
    terminal = sys.stderr is not None and sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", LogOutput(sys.stderr))),
        cache_logger_on_first_use=True,
    )
