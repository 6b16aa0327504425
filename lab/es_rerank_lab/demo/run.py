"""The story of the demo."""

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
from es_rerank_lab.demo.measure import Asked, by_language
from es_rerank_lab.demo.stack import Options
from es_rerank_lab.parts.progress import Reporter, RichReporter
from es_rerank_lab.parts.running import Running
from es_rerank_lab.parts.supervisor import Supervisor

_SIZE = 10


def run(options: Options, console: Console, once: bool) -> None:
    """Start everything, load, search both ways, show, and stay up until Ctrl-C unless *once*."""
    bundled = corpus.load()
    stack.claim(options)
    parts: list[Running] = []
    with ExitStack() as running, _interrupted_by_sigterm():
        with RichReporter(console) as reporter:
            access, url = _start(options, running, reporter, parts)
            direct, through = Client(access), Client(replace(access, url=url, ca=None))
            running.callback(direct.clear)
            with reporter.step(f"load {len(bundled.documents)} documents through es-rerank"):
                through.load(bundled.documents)
            asked = list(_asked(bundled, direct, through, reporter))
        _show(console, asked)
        if not once:
            _invite(console, options, access, url)
            with Supervisor(parts, partial(_tell, console)):
                _wait()
            console.print("\nstopping engine, model and endpoint")


def _start(options: Options, running: ExitStack, reporter: Reporter, parts: list[Running]) -> tuple[Access, str]:
    """Start engine, model and endpoint, in this order; whatever is left of the story stops them again."""
    access = running.enter_context(stack.engine(options, reporter, parts))
    model = running.enter_context(stack.model_server(options, reporter, parts))
    return access, running.enter_context(stack.endpoint(options, access, model, reporter, parts))


def _asked(bundled: Corpus, direct: Client, through: Client, reporter: Reporter) -> Iterator[Asked]:
    """Ask every judged query twice: the engine, and the endpoint in front of it."""
    with reporter.step("search both ways", len(bundled.queries), "judged queries") as step:
        for query in bundled.queries:
            step.advance(1)
            yield Asked(query, direct.search(query.text, _SIZE), through.search(query.text, _SIZE))


def _show(console: Console, asked: Sequence[Asked]) -> None:
    """Print the scenarios, then the measures."""
    for one in asked:
        if one.query.scenario:
            show.scenario(console, one)
    show.languages(console, by_language(asked))


def _invite(console: Console, options: Options, access: Access, url: str) -> None:
    """Say what can be tried; the password of an engine that is not the demo's own is not said, and curl asks for it."""
    password = "" if options.engine_url else f":{access.password}"
    login = ["-u", f"{access.username}{password}"] if access.username else []
    curl = shlex.join(["curl", *login, f"{url}/{INDEX}/_search?q=pandas+csv+gbk&size=3&pretty"])
    console.print()
    console.print(f"[bold]endpoint[/bold]  {url}  (the engine itself: {access.url})", highlight=False)
    console.print(f"[bold]page[/bold]      http://{options.admin_listen}/_rerank/", highlight=False)
    console.print("[bold]try[/bold]       ", end="")
    console.print(curl, markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops all of it; what dies before is started again.", style="dim")


def _tell(console: Console, line: str) -> None:
    """Say what became of a part."""
    console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _wait() -> None:
    """Wait for Ctrl-C."""
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM stop the demo as Ctrl-C does, so that nothing is left running."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
