"""Runs the demo from start to end."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from es_rerank.errors import EsRerankError
from es_rerank.rerank.profiles import PROFILES
from es_rerank_lab.demo import corpus, own_index, show, stack
from es_rerank_lab.demo.client import INDEX, Access, Client
from es_rerank_lab.demo.corpus import Corpus
from es_rerank_lab.demo.measure import Comparison, by_language
from es_rerank_lab.demo.stack import Model, Options
from es_rerank_lab.parts.progress import Reporter, RichReporter
from es_rerank_lab.parts.running import Running
from es_rerank_lab.parts.supervisor import Supervisor

_PAGE_SIZE = 10
_USUAL_ENGINE_URL = "http://localhost:9200"


class Started(NamedTuple):
    """The addresses of the three parts: the engine, the rerank server, and es-rerank (`url`)."""

    access: Access
    model: Model
    url: str

    @property
    def through(self) -> Access:
        """The access to the engine through es-rerank."""
        return replace(self.access, url=self.url, ca=None)


def run(options: Options, console: Console, once: bool) -> None:
    """Start engine, vLLM and endpoint, print the comparison, and keep running until Ctrl-C unless *once* is true."""
    if once and options.index and not options.query:
        raise EsRerankError("--once with --index prints nothing without a query: add --query")
    stack.claim(options)
    parts: list[Running] = []
    with ExitStack() as running, _interrupted_by_sigterm():
        with RichReporter(console) as reporter:
            started = _start(options, running, reporter, parts)
            if not options.index:
                comparisons = _load_and_compare(started, running, reporter)
        with Supervisor(parts, partial(_print_event, console)):
            if options.index:
                _show_own(console, options, started, once)
            else:
                _show(console, comparisons)
            if not once:
                _print_instructions(console, options, started)
                _wait()
        if not once:
            console.print("\nstopping what the demo started")


def _start(options: Options, running: ExitStack, reporter: Reporter, parts: list[Running]) -> Started:
    """Start engine, vLLM and endpoint, in this order. Closing *running* stops them in reverse order."""
    access = running.enter_context(stack.engine(options, reporter, parts))
    if options.index:
        own_index.search(access, options.index, "")  # before vLLM starts, which takes minutes
    model = running.enter_context(stack.model_server(options, reporter, parts))
    return Started(access, model, running.enter_context(stack.endpoint(options, access, model, reporter, parts)))


def _load_and_compare(started: Started, running: ExitStack, reporter: Reporter) -> list[Comparison]:
    """Index the corpus of the demo, and search it with and without es-rerank. Closing *running* deletes the index."""
    bundled = corpus.load()
    direct, through = Client(started.access), Client(started.through)
    running.callback(direct.clear)
    with reporter.step(f"index {len(bundled.documents)} documents through es-rerank"):
        through.load(bundled.documents)
    return list(_compared(bundled, direct, through, reporter))


def _show_own(console: Console, options: Options, started: Started, once: bool) -> None:
    """Print both orders of the user's queries, in the user's index."""
    show_queries = partial(own_index.show, console, started.access, started.through, str(options.index))
    show_queries(options.query)
    if not once and not options.query:
        console.print("Type queries for your index; Ctrl-D ends the input.", style="dim")
        show_queries(own_index.typed(console))


def _compared(bundled: Corpus, direct: Client, through: Client, reporter: Reporter) -> Iterator[Comparison]:
    """Run each judged query twice, directly against the engine and through the endpoint."""
    with reporter.step("search without and with es-rerank", len(bundled.queries), "judged queries") as step:
        for query in bundled.queries:
            step.advance(1)
            yield Comparison(query, direct.search(query.text, _PAGE_SIZE), through.search(query.text, _PAGE_SIZE))


def _show(console: Console, comparisons: Sequence[Comparison]) -> None:
    """Print the hits of the scenarios, then the measures by language."""
    for comparison in comparisons:
        if comparison.query.scenario:
            show.scenario(console, comparison)
    show.languages(console, by_language(comparisons))


def _print_instructions(console: Console, options: Options, started: Started) -> None:
    """Print the addresses, a curl command and the next step.

    The password is printed only if the demo itself started the engine.
    """
    access, model = started.access, started.model
    password = "" if options.engine_url else f":{access.password}"
    login = ["-u", f"{access.username}{password}"] if access.username else []
    search = f"{options.index}/_search?q=WORDS" if options.index else f"{INDEX}/_search?q=pandas+csv+gbk"
    curl = shlex.join(["curl", "-i", *login, f"{started.url}/{search}&size=3&pretty"])
    console.print()
    console.print(f"[bold]endpoint[/bold]  {started.url}  (engine: {access.url})", highlight=False)
    console.print(f"[bold]admin[/bold]     http://{options.admin_listen}/_rerank/", highlight=False)
    trying = "; a small model, for trying and for CPUs" if PROFILES[model.profile].for_trying else ""
    console.print(f"[bold]model[/bold]     {model.url}  (profile {model.profile}{trying})", highlight=False)
    console.print("[bold]try[/bold]       ", end="")
    console.print(curl, markup=False, highlight=False, soft_wrap=True)
    console.print("[bold]next[/bold]      send your application's searches to the endpoint. Without the demo:")
    for command in _commands_without_demo(options, started):
        console.print(f"          {command}", markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops what the demo started; a process that ends earlier is restarted.", style="dim")


def _commands_without_demo(options: Options, started: Started) -> Iterator[str]:
    """Yield the commands that start es-rerank and, if the user has no rerank server, vLLM. The demo stops its own."""
    program = os.path.relpath(Path(sys.executable).with_name("es-rerank"))
    profile = started.model.profile
    if not options.reranker_url:
        yield shlex.join([program, "model", "serve", profile]) + " &"
    serve = [program, "serve", "--upstream", started.access.url if options.engine_url else _USUAL_ENGINE_URL]
    serve += ["--upstream-ca", str(options.engine_ca)] if options.engine_ca else []
    serve += ["--reranker", options.reranker_url] if options.reranker_url else []
    yield shlex.join([*serve, "--profile", profile])


def _print_event(console: Console, line: str) -> None:
    """Print an event of the supervisor."""
    console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _wait() -> None:
    """Wait for Ctrl-C."""
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, so that no process is left running."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
