import io

import pytest
from rich.console import Console

from es_rerank_lab.parts.progress import QUIET, RichReporter


def shown(*, terminal: bool, total: float | None = 2e6) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with RichReporter(console) as reporter, reporter.step("download", total) as step:
        step.advance(1e6)
        step.say("half")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_a_bar_in_megabytes() -> None:
    assert "2/2 MB" in shown(terminal=True)


def test_a_terminal_shows_a_bar_with_a_count() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with RichReporter(console) as reporter, reporter.step("search", 12, "queries") as step:
        step.advance(12)
    assert isinstance(console.file, io.StringIO)
    assert "12/12 queries" in console.file.getvalue()


def test_a_step_of_unknown_size_shows_no_megabytes() -> None:
    assert "MB" not in shown(terminal=True, total=None)


def test_a_file_gets_a_line_at_the_begin_and_the_end() -> None:
    assert shown(terminal=False).splitlines() == ["download ...", "download: done in 0 s"]


def test_a_failed_step_is_not_shown_as_done() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with pytest.raises(KeyError), RichReporter(console) as reporter, reporter.step("download"):
        raise KeyError
    assert isinstance(console.file, io.StringIO)
    assert "done" not in console.file.getvalue()


def test_the_quiet_reporter_accepts_all_calls() -> None:
    with QUIET.step("download", 1) as step:
        step.advance(1)
        step.say("done")
