"""`es-rerank-demo`: a search engine, vLLM and es-rerank on this machine."""

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

_INTERRUPTED = 130
_PORT = "Port of the endpoint; its own pages take the next one."


@click.command()
@click.option("--once", is_flag=True, help="End after the tables.")
@click.option("--engine", type=click.Choice(["opensearch", "elasticsearch"]), default="opensearch", show_default=True)
@click.option("--engine-url", metavar="URL", help="Use this engine instead of starting one; may carry user:password@.")
@click.option("--engine-ca", type=click.Path(exists=True, path_type=Path), help="CA certificate of an https engine.")
@click.option("--reranker-url", metavar="URL", help="Use this rerank server instead of starting vLLM.")
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="vllm", show_default=True, help="Its dialect.")
@click.option("--profile", type=click.Choice(list(PROFILES)), help="How the model must be asked.")
@click.option("--model", metavar="NAME", help="Model for vLLM: a name at the hub, or a folder.")
@click.option("--port", type=click.IntRange(1, 65534), default=9280, show_default=True, help=_PORT)
@click.option("--window", type=click.IntRange(2, 1000), default=30, show_default=True, help="Hits the model reads.")
def demo(once: bool, **chosen: Any) -> None:
    """Start a real engine, a real vLLM and es-rerank, and show both orders of a multilingual corpus."""
    console = Console()
    try:
        run(Options(**chosen), console, once)
    except KeyboardInterrupt:
        console.print("\nstopped: engine, model and endpoint are down")
        sys.exit(_INTERRUPTED)


def main() -> None:
    """Run the demo; an error that a person can repair is one line, with status 1."""
    try:
        demo()
    except EsRerankError as error:
        click.echo(f"es-rerank-demo: {error}", err=True)
        sys.exit(1)
