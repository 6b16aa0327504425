"""Options made from the table of settings: one a row, with its sentence and its default."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from es_rerank.config import settings
from es_rerank.config.settings import DURATIONS, PREFIX, Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_LONG_NAMES = dict.fromkeys(DURATIONS, "DURATION") | dict.fromkeys(
    ("listen", "admin_listen", "publish_address"), "HOST:PORT"
)


def setting_options(command: Command) -> Command:
    """Give a command `--config` and one option a setting."""
    for name, row in reversed(Settings.model_fields.items()):
        command = _option(name, row)(command)
    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar=PREFIX + "CONFIG",
        help="YAML file of settings.",
    )(command)


def settings_from(flags: dict[str, Any]) -> Settings:
    """Build the settings in force from flags, variables and the file that `--config` names."""
    given = dict(flags)
    file: Path | None = given.pop("config")
    return settings.load(given, os.environ, file)


def _option(name: str, row: FieldInfo) -> Callable[[Command], Command]:
    """Make the option of one setting; its value is checked with the others, so that all complaints sound alike."""
    flag = "--" + name.replace("_", "-")
    words = f"{row.description} [default: {shown(name, row)}]"
    if row.annotation is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", default=None, help=words)
    return click.option(flag, metavar=_metavar(name, row), help=words)


def shown(name: str, row: FieldInfo) -> str:
    """Write a default as a person would."""
    match row.default:
        case None | ():
            return "none"
        case bool(switch):
            return str(switch).lower()
        case float(seconds) if name in DURATIONS:
            return f"{seconds:g}s"
        case tuple(names):
            return ",".join(names)
        case other:
            return str(other)


def _metavar(name: str, row: FieldInfo) -> str:
    """Name the kind of value."""
    if name in _LONG_NAMES:
        return _LONG_NAMES[name]
    kinds = {"int": "N", "Path": "PATH", "SecretStr": "TOKEN"}
    kind = next((word for part, word in kinds.items() if part in str(row.annotation)), "TEXT")
    return "URL" if name in {"upstream", "reranker"} else kind
