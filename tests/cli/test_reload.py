from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.cli.reload import reload
from es_rerank.config import Settings
from es_rerank.errors import ConfigError
from es_rerank.state import State, build


class Sites:
    """Notes that the certificate was renewed, or refuses."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.renewed = 0

    def renew(self) -> None:
        if self.fault:
            raise self.fault
        self.renewed += 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs.yaml").write_text("index: docs\nwindow: 10\n")
    return tmp_path


def running(folder: Path, **more: Any) -> tuple[State, Settings]:
    settings = Settings(mappings=folder, backend="identity", **more)
    return build(settings), settings


def hup(state: State, settings: Settings, sites: Sites | None = None) -> dict[str, Any]:
    chosen: Any = sites or Sites()
    with capture_logs() as lines:
        reload(state, chosen, lambda: settings)
    (line,) = lines
    return dict(line)


def windows(state: State) -> list[int]:
    return [rule.window for rule in state.rules]


def test_changed_rules_are_taken_into_use(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: 20\n")
    (folder / "more.yaml").write_text("index: more\n")
    sites = Sites()
    assert hup(state, settings, sites)["rules"] == ["docs", "more"]
    assert (windows(state), sites.renewed) == ([20, 50], 1)


def test_what_rules_inherit_is_taken_into_use_and_what_waits_for_a_restart_is_said(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\n")
    changed = settings.model_copy(update={"window": 30, "concurrency": 3, "upstream": ("http://other",)})
    assert hup(state, changed)["after_a_restart"] == ["upstream", "concurrency"]
    assert (windows(state), state.rules.everywhere.window) == ([30], 30)


def test_a_broken_file_keeps_the_rules_before_and_is_named(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: many\n")
    sites = Sites()
    line = hup(state, settings, sites)
    assert (line["event"], line["log_level"]) == ("reload failed, all stays as it was", "error")
    assert "docs.yaml:2: window: " in line["reason"]
    assert (windows(state), sites.renewed) == ([10], 0)


def test_a_certificate_that_cannot_be_used_keeps_the_rules_before_too(folder: Path) -> None:
    state, settings = running(folder)
    (folder / "docs.yaml").write_text("index: docs\nwindow: 20\n")
    line = hup(state, settings, Sites(ConfigError("listen_certificate: no such file")))
    assert (line["reason"], windows(state)) == ("listen_certificate: no such file", [10])
