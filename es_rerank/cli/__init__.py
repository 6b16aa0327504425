"""The `es-rerank` command. Flags are made from the table of settings."""

from __future__ import annotations

import sys

import click

from es_rerank.cli.check import check
from es_rerank.cli.explain import explain
from es_rerank.cli.model import model
from es_rerank.cli.serve import serve
from es_rerank.errors import EsRerankError

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="es-rerank")
def cli() -> None:
    """Put an endpoint in front of Elasticsearch or OpenSearch that returns searches in a better order."""


cli.add_command(serve)
cli.add_command(check)
cli.add_command(explain)
cli.add_command(model)


def main() -> None:
    """Run the command line; what a person must repair is said in a sentence, with status 1."""
    try:
        cli()
    except EsRerankError as error:
        click.echo(f"es-rerank: {error}", err=True)
        sys.exit(1)
