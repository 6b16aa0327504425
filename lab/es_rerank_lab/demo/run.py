"""Runs the demo from start to end."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial

from rich.console import Console

from es_rerank_lab.demo import corpus, show, stack
from es_rerank_lab.demo.client import INDEX, Access, Client
from es_rerank_lab.demo.corpus import Corpus
from es_rerank_lab.demo.measure import Comparison, by_language
from es_rerank_lab.demo.stack import Options
from es_rerank_lab.parts.progress import Reporter, RichReporter
from es_rerank_lab.parts.running import Running
from es_rerank_lab.parts.supervisor import Supervisor

_PAGE_SIZE = 10


def run(options: Options, console: Console, once: bool) -> None:
    """Start engine, vLLM and endpoint, print the comparison, and keep running until Ctrl-C unless *once* is true."""
    bundled = corpus.load()
    stack.claim(options)
    parts: list[Running] = []
    with ExitStack() as running, _interrupted_by_sigterm():
        with RichReporter(console) as reporter:
            access, url = _start(options, running, reporter, parts)
            direct, through = Client(access), Client(replace(access, url=url, ca=None))
            running.callback(direct.clear)
            with reporter.step(f"index {len(bundled.documents)} documents through es-rerank"):
                through.load(bundled.documents)
            comparisons = list(_compared(bundled, direct, through, reporter))
        _show(console, comparisons)
        if not once:
            _print_instructions(console, options, access, url)
            with Supervisor(parts, partial(_print_event, console)):
                _wait()
            console.print("\nstopping engine, vLLM and endpoint")


def _start(options: Options, running: ExitStack, reporter: Reporter, parts: list[Running]) -> tuple[Access, str]:
    """Start engine, vLLM and endpoint, in this order. Closing *running* stops them in reverse order.

    Returns:
        The access data of the engine, and the base URL of the endpoint.

    """
    access = running.enter_context(stack.engine(options, reporter, parts))
    model = running.enter_context(stack.model_server(options, reporter, parts))
    return access, running.enter_context(stack.endpoint(options, access, model, reporter, parts))


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


def _print_instructions(console: Console, options: Options, access: Access, url: str) -> None:
    """Print the addresses and a curl command, with the password only if the demo itself started the engine."""
    password = "" if options.engine_url else f":{access.password}"
    login = ["-u", f"{access.username}{password}"] if access.username else []
    curl = shlex.join(["curl", *login, f"{url}/{INDEX}/_search?q=pandas+csv+gbk&size=3&pretty"])
    console.print()
    console.print(f"[bold]endpoint[/bold]  {url}  (engine: {access.url})", highlight=False)
    console.print(f"[bold]admin[/bold]     http://{options.admin_listen}/_rerank/", highlight=False)
    console.print("[bold]try[/bold]       ", end="")
    console.print(curl, markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops everything; a process that dies earlier is restarted.", style="dim")


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
