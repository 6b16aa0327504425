"""`es-rerank model`: start vLLM with the flags that a profile's model needs, or print the command line."""

from __future__ import annotations

import os
import shlex
import sys

import click

from es_rerank.cli.vllm_command import server_command, vllm_environment, vllm_installed
from es_rerank.errors import EsRerankError
from es_rerank.rerank.profiles import PROFILES, server_flags

_PROFILE = click.argument("name", metavar="PROFILE", type=click.Choice(list(PROFILES)))
_FLAGS = click.argument("flags", nargs=-1, type=click.UNPROCESSED)


@click.group()
def model() -> None:
    """Start the vLLM rerank server, or print its command line."""


@model.command(context_settings={"ignore_unknown_options": True})
@_PROFILE
@_FLAGS
def serve(name: str, flags: tuple[str, ...]) -> None:
    """Start vLLM for PROFILE.

    Arguments after `--` are passed to vLLM unchanged.
    """
    if not vllm_installed():
        raise EsRerankError("vLLM is not installed: pip install 'es-rerank[vllm]', or `make demo` for a CPU")
    profile = PROFILES[name]
    if "NC" in profile.license:
        click.echo(f"The license of {profile.model}, {profile.license}, excludes commercial use.", err=True)
    argv = [*server_flags(profile), *flags]
    command = server_command(argv)
    sys.stdout.flush()
    os.execve(command[0], command, vllm_environment(argv))  # noqa: S606 - the user starts this program


@model.command(context_settings={"ignore_unknown_options": True})
@_PROFILE
@_FLAGS
def command(name: str, flags: tuple[str, ...]) -> None:
    """Print the command line that `model serve` runs."""
    argv = [*server_flags(PROFILES[name]), *flags]
    click.echo(shlex.join(["python", *server_command(argv)[1:]]))
