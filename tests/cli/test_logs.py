from __future__ import annotations

import io
import json
import logging
import sys

import pytest
import structlog

from es_rerank.cli.logs import configure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_collector_gets_one_json_object_per_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure("info")
    structlog.get_logger().debug("not this")
    structlog.get_logger().error("this", why="deadline")
    (line,) = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (line["event"], line["level"], line["why"]) == ("this", "error", "deadline")
    assert line["timestamp"].endswith("Z")


def test_a_terminal_gets_readable_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Terminal()
    monkeypatch.setattr(sys, "stderr", written)
    configure("debug")
    structlog.get_logger().debug("this", why="deadline")
    assert "this" in written.getvalue()
    assert not written.getvalue().startswith("{")


def test_libraries_log_in_the_same_format(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure("info")
    configure("info")
    logging.getLogger("some.library").warning("retrying in %d s", 8)
    (line,) = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (line["event"], line["level"], line["logger"]) == ("retrying in 8 s", "warning", "some.library")
