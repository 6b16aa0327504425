"""The command-line interface. A subcommand's module is imported only when the subcommand runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click

from es_rerank.errors import EsRerankError

__all__ = ["COMMANDS", "cli", "main"]


class CommandRow(NamedTuple):
    """One subcommand: its summary for the help text, and the module that has a function with the subcommand's name."""

    module: str
    summary: str


COMMANDS: Mapping[str, CommandRow] = {
    "serve": CommandRow("es_rerank.cli.serve", "Run the endpoint in front of Elasticsearch or OpenSearch."),
    "check": CommandRow("es_rerank.cli.check", "Validate and print the effective settings and rules."),
    "explain": CommandRow("es_rerank.cli.explain", "Show whether and how a request would be reranked."),
    "eval": CommandRow("es_rerank.cli.eval", "Measure search quality with and without reranking, on judged queries."),
    "tune": CommandRow("es_rerank.cli.tune", "Propose a rule for an index, based on queries with judgments."),
    "bench": CommandRow(
        "es_rerank.cli.bench", "Measure throughput and response times under load, with and without reranking."
    ),
    "size": CommandRow(
        "es_rerank.cli.size", "Calculate how many rerank servers and processor cores a number of searches needs."
    ),
    "judgments": CommandRow("es_rerank.cli.judgments", "Turn logs of clicks into judgments for eval."),
    "model": CommandRow("es_rerank.cli.model", "Start the vLLM rerank server, or print its command line."),
}


class LazyGroup(click.Group):
    """A click group that imports the subcommands of `COMMANDS` on demand.

    A regular click group would have to import every subcommand, including the HTTP server, to print the help text.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the subcommands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a subcommand, or None if the name is unknown."""
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        command: click.Command = getattr(import_module(row.module), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="es-rerank")
def cli() -> None:
    """Rerank the search results of Elasticsearch or OpenSearch with a local model.

    es-rerank is an HTTP endpoint in front of the engine. Clients connect to it as they would to the engine.
    """


def main() -> None:
    """Run the command line. An EsRerankError is printed without a traceback, with exit status 1."""
    try:
        cli()
    except EsRerankError as error:
        click.echo(f"es-rerank: {error}", err=True)
        sys.exit(1)
