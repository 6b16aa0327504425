"""The demo with fake parts: everything that was started is stopped, however the demo ends."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from es_rerank.errors import EsRerankError
from es_rerank_lab.cli import demo
from es_rerank_lab.demo import run as story
from es_rerank_lab.demo.client import Access, Hit
from es_rerank_lab.demo.corpus import load
from es_rerank_lab.demo.stack import Model, Options
from es_rerank_lab.parts import supervisor
from es_rerank_lab.parts.cache import RunFolder
from es_rerank_lab.parts.process import Command, Process
from es_rerank_lab.parts.progress import Reporter
from es_rerank_lab.parts.running import Running
from tests.processes import wait_for

BEST = {query.text: max(query.relevant, key=lambda key: query.relevant[key]) for query in load().queries}


class FakeClient:
    """Returns the best document last when searched directly, and first through the endpoint."""

    calls: list[str]

    def __init__(self, access: Access) -> None:
        self._through = access.url.endswith("9280")

    def load(self, documents: Sequence[Any]) -> None:
        FakeClient.calls.append(f"load {len(documents)}")

    def clear(self) -> None:
        FakeClient.calls.append("clear")

    def search(self, text: str, _size: int) -> list[Hit]:
        hits = [Hit(BEST[text], "the answer", 2.0), Hit("other", "another", 1.0)]
        return hits if self._through else hits[::-1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    noted: list[str] = []

    def part(name: str, value: Any) -> Any:
        @contextmanager
        def started(*_: Any) -> Iterator[Any]:
            noted.append(f"start {name}")
            try:
                yield value
            finally:
                noted.append(f"stop {name}")

        return started

    monkeypatch.setattr(story.stack, "claim", lambda _: None)
    monkeypatch.setattr(story.stack, "engine", part("engine", Access("opensearch", "http://127.0.0.1:9200")))
    monkeypatch.setattr(story.stack, "model_server", part("model", Model("http://m", "e5", None, "auto")))
    monkeypatch.setattr(story.stack, "endpoint", part("endpoint", "http://127.0.0.1:9280"))
    monkeypatch.setattr(story, "Client", FakeClient)
    FakeClient.calls = noted
    return noted


STOPPED = ["clear", "stop endpoint", "stop model", "stop engine"]


def test_once_shows_both_rankings_and_stops_everything(calls: list[str]) -> None:
    out = io.StringIO()
    story.run(Options(), Console(file=out, width=120), once=True)
    assert calls[:3] == ["start engine", "start model", "start endpoint"]
    assert calls[-4:] == STOPPED
    assert "PDF to text, in Arabic" in out.getvalue()
    assert "✓ the answer" in out.getvalue()
    assert "100%" in out.getvalue()


def test_it_runs_until_ctrl_c_and_prints_what_to_try(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(story.threading.Event, "wait", interrupted)
    out = io.StringIO()
    story.run(Options(), Console(file=out, width=120), once=False)
    assert calls[-4:] == STOPPED
    assert "curl -i 'http://127.0.0.1:9280/es-rerank-demo/_search?q=" in out.getvalue()
    assert "http://127.0.0.1:9281/_rerank/" in out.getvalue()


@pytest.mark.parametrize(
    ("url", "login"), [(None, "-u elastic:s3cret "), ("http://elastic:s3cret@h:9200", "-u elastic ")]
)
def test_the_password_of_an_engine_that_was_running_before_is_not_printed(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, url: str | None, login: str
) -> None:
    access = Access("opensearch", "http://h:9200", "elastic", "s3cret")
    monkeypatch.setattr(story, "_wait", lambda: None)
    monkeypatch.setattr(story.stack, "engine", lambda *_: nullcontext(access))
    out = io.StringIO()
    story.run(Options(engine_url=url), Console(file=out, width=120), once=False)
    assert f"curl -i {login}" in out.getvalue()


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        (Options(), ["model serve e5 &", "serve --upstream http://localhost:9200 --profile e5"]),
        (
            Options(engine_url="http://h:9200", engine_ca=Path("ca.pem")),
            ["model serve e5 &", "serve --upstream http://h:9200 --upstream-ca ca.pem --profile e5"],
        ),
        (
            Options(reranker_url="http://gpu:8000"),
            ["serve --upstream http://localhost:9200 --reranker http://gpu:8000 --profile e5"],
        ),
    ],
)
def test_the_commands_to_go_on_with_do_not_need_the_engine_and_vllm_that_ctrl_c_stops(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, options: Options, commands: list[str]
) -> None:
    monkeypatch.setattr(story, "_wait", lambda: None)
    monkeypatch.setattr(story.stack, "engine", lambda *_: nullcontext(Access("opensearch", "http://h:9200")))
    out = io.StringIO()
    story.run(options, Console(file=out, width=120), once=False)
    shown = [line.partition("/es-rerank ") for line in out.getvalue().splitlines()]
    assert [command for _, program, command in shown if program] == commands


def test_a_wrong_index_is_reported_before_the_model_starts(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_index(_access: Access, index: str, _text: str) -> None:
        raise EsRerankError(f"no index {index}")

    monkeypatch.setattr(story.own_index, "search", no_index)
    with pytest.raises(EsRerankError, match="no index books"):
        story.run(Options(engine_url="http://h", index="books"), Console(file=io.StringIO()), once=False)
    assert calls == ["start engine", "stop engine"]


def test_once_needs_a_query_for_an_index_of_the_user(calls: list[str]) -> None:
    with pytest.raises(EsRerankError, match="add --query"):
        story.run(Options(engine_url="http://h", index="books"), Console(file=io.StringIO()), once=True)
    assert not calls


def test_a_part_that_dies_is_restarted(calls: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "model")
    process = Process(Command(argv=["/bin/sh", "-c", "exec sleep 60"], log=run.path / "log", env=dict(os.environ)))
    out = io.StringIO()

    @contextmanager
    def model(_options: Options, _reporter: Reporter, parts: list[Running]) -> Iterator[Model]:
        with Running(title="vLLM", url="http://m", process=process, run=run, ready=lambda: True) as running:
            parts.append(running)
            yield Model(running.url, "e5", None, "auto")

    def killed() -> None:
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: "vLLM answers again" in out.getvalue())

    monkeypatch.setattr(supervisor, "_MIN_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(story.stack, "model_server", model)
    monkeypatch.setattr(story, "_wait", killed)
    story.run(Options(), Console(file=out, width=120), once=False)
    assert "vLLM ended with exit code -9; restarting in 0.01 s" in out.getvalue()
    assert process.exit_code is not None


def test_ctrl_c_during_startup_stops_the_started_parts(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupted(*_: Any) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(story.stack, "model_server", interrupted)
    result = CliRunner().invoke(demo, ["--once"])
    assert result.exit_code == 130
    assert "stopped" in result.output
    assert calls == ["start engine", "stop engine"]


def test_a_failed_part_stops_the_others(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def failing(*_: Any) -> Iterator[Any]:
        raise EsRerankError("vLLM ended during startup")
        yield

    monkeypatch.setattr(story.stack, "model_server", failing)
    with pytest.raises(EsRerankError, match="vLLM ended"):
        story.run(Options(), Console(file=io.StringIO()), once=True)
    assert calls == ["start engine", "stop engine"]
