"""`make demo` on this machine: real engine and model, the five scenarios, every language; killed processes restart."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from es_rerank_lab.demo import run as story
from es_rerank_lab.demo import show
from es_rerank_lab.demo.client import INDEX
from es_rerank_lab.demo.measure import Comparison, Row, first_hit_answers
from es_rerank_lab.demo.stack import Options
from es_rerank_lab.parts.running import Running
from es_rerank_lab.parts.supervisor import Supervisor

from .models import Models
from .ports import free_ports
from .wire import Answer, ask

BACK_LIMIT_S = 400.0
LANGUAGES = {"ar", "de", "en", "es", "fr", "hi", "ja", "ko", "ru", "zh"}


@dataclass
class Shown:
    """The output of the demo; its last search before the kill, and the first reranked one afterwards."""

    scenarios: list[Comparison] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    out: io.StringIO = field(default_factory=io.StringIO)
    parts: Sequence[Running] = ()
    before: Answer | None = None
    after: Answer | None = None

    def search(self) -> Answer | None:
        """Search through the endpoint; return None while it does not listen."""
        try:
            return ask(self.parts[-1].url, "GET", f"/{INDEX}/_search?q=pandas+csv+gbk&size=3")
        except OSError:
            return None

    def killed(self) -> None:
        """Kill engine, model and endpoint, and wait until the demo reports them as running and reranks a search."""
        self.before = self.search()
        for part in self.parts:
            os.kill(part.pid, signal.SIGKILL)
        limit = time.monotonic() + BACK_LIMIT_S
        while not self.again():
            assert time.monotonic() < limit, self.out.getvalue()
            time.sleep(0.5)

    def again(self) -> bool:
        """Search once; return whether it was reranked, and the demo has reported all processes as running."""
        self.after = self.search()
        reported = self.out.getvalue().count("answers again")
        return reported == len(self.parts) and bool(self.after) and self.after.outcome.startswith("reranked")


@pytest.fixture(scope="module")
def shown(models: Models) -> Shown:
    """Run the demo once and record its output; kill all of its processes before it ends."""
    models.stop()
    found = Shown()

    def supervised(parts: Sequence[Running], say: Callable[[str], None]) -> Supervisor:
        found.parts = parts
        return Supervisor(parts, say)

    with pytest.MonkeyPatch.context() as patch:
        print_scenario, print_languages = show.scenario, show.languages
        patch.setattr(show, "scenario", lambda to, one: (found.scenarios.append(one), print_scenario(to, one)))
        patch.setattr(show, "languages", lambda to, all_: (found.rows.extend(all_), print_languages(to, all_)))
        patch.setattr(story, "Supervisor", supervised)
        patch.setattr(story, "_wait", found.killed)
        story.run(Options(port=free_ports(2)[0]), Console(file=found.out, width=120), once=False)
    return found


@pytest.mark.timeout(1200)
def test_the_right_document_is_first_in_all_scenarios(shown: Shown) -> None:
    assert [one.query.id for one in shown.scenarios if not first_hit_answers(one.query, one.after)] == []
    assert [one.query.id for one in shown.scenarios if first_hit_answers(one.query, one.before)] == []
    assert len(shown.scenarios) == 5


def test_a_killed_process_is_restarted_and_reported(shown: Shown) -> None:
    assert shown.before
    assert shown.after
    assert shown.before.outcome.startswith("reranked")
    assert shown.after.ids == shown.before.ids
    assert [part.title.partition("-")[0] for part in shown.parts] == ["opensearch", "vLLM", "es"]
    for part in shown.parts:
        assert f"{part.title} ended with exit code -9; restarting in 1 s" in shown.out.getvalue()
        assert f"{part.title} answers again after " in shown.out.getvalue()
        assert part.exit_code is not None


def test_every_language_is_improved_or_the_output_says_why_not(shown: Shown) -> None:
    rows = shown.rows
    assert {row.language for row in rows} == LANGUAGES | {"all"}
    assert all(row.after.top_1 > row.before.top_1 or show.note(row) for row in rows)
    assert rows[-1].after.top_1 > rows[-1].before.top_1 + 0.3
    assert rows[-1].after.ndcg > rows[-1].before.ndcg + 0.2
