"""`es-rerank-demo`: run a search engine, vLLM and es-rerank on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from es_rerank.errors import EsRerankError
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank_lab.demo.run import run
from es_rerank_lab.demo.stack import Options

_INTERRUPTED_STATUS = 130
_PORT = "Port of the endpoint; the admin pages use the next port."


@click.command()
@click.option("--once", is_flag=True, help="Exit after the comparison.")
@click.option(
    "--engine",
    type=click.Choice(["opensearch", "elasticsearch"]),
    default="opensearch",
    show_default=True,
    help="Engine to start.",
)
@click.option(
    "--engine-url", metavar="URL", help="Use this engine instead of starting one; can contain user:password@."
)
@click.option("--index", metavar="NAME", help="Search this index of the engine at --engine-url, not the demo's corpus.")
@click.option("--query", multiple=True, metavar="TEXT", help="With --index: a query to show; repeatable.")
@click.option("--engine-ca", type=click.Path(exists=True, path_type=Path), help="CA certificate for an https engine.")
@click.option("--reranker-url", metavar="URL", help="Use this rerank server instead of starting vLLM.")
@click.option(
    "--backend", type=click.Choice(list(BACKENDS)), default="vllm", show_default=True, help="API of the rerank server."
)
@click.option("--profile", type=click.Choice(list(PROFILES)), help="Prompt, limits and defaults of the model.")
@click.option("--model", metavar="NAME", help="Model for vLLM: a Hugging Face name, or a folder.")
@click.option("--port", type=click.IntRange(1, 65534), default=9280, show_default=True, help=_PORT)
@click.option(
    "--window", type=click.IntRange(2, 1000), default=30, show_default=True, help="Number of hits that are reranked."
)
def demo(once: bool, **options: Any) -> None:
    """Start a search engine, vLLM and es-rerank, and compare their rankings of its corpus or of your index."""
    console = Console()
    try:
        run(Options(**options), console, once)
    except KeyboardInterrupt:
        console.print("\neverything that the demo started is stopped")
        sys.exit(_INTERRUPTED_STATUS)


def main() -> None:
    """Run the demo. An EsRerankError is printed without a traceback, with exit status 1."""
    try:
        demo()
    except EsRerankError as error:
        click.echo(f"es-rerank-demo: {error}", err=True)
        sys.exit(1)
