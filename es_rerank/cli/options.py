"""Parts of the command line that several subcommands use: one option per setting, `--header`, and option types."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from es_rerank.config import loading
from es_rerank.config.loading import DURATIONS, PREFIX
from es_rerank.config.settings import Settings
from es_rerank.config.types import duration_text
from es_rerank.errors import EsRerankError

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""The type of an option that names a file to read."""

_MAX_WINDOW = 1000

Command = TypeVar("Command", bound=Callable[..., Any])

_LONG_NAMES = dict.fromkeys(DURATIONS, "DURATION") | dict.fromkeys(
    ("listen", "admin_listen", "publish_address"), "HOST:PORT"
)


class FiniteNumber(click.FloatRange):
    """A number in a range. In contrast to `click.FloatRange`, NaN and infinity are never in the range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. The conversion fails if the number is not finite or out of range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


def setting_options(command: Command) -> Command:
    """Return a command with the option `--config` and one option per setting."""
    for name, row in reversed(Settings.model_fields.items()):
        command = _option(name, row)(command)
    return click.option(
        "--config",
        type=EXISTING_FILE,
        envvar=PREFIX + "CONFIG",
        help="YAML file of settings.",
    )(command)


def settings_from(flags: dict[str, Any]) -> Settings:
    """Return the settings from flags, environment variables and the `--config` file.

    Args:
        flags: The value of each command-line flag, including `config`; None if the flag was not used.

    Raises:
        ConfigError: If a setting is invalid.

    """
    values = dict(flags)
    file: Path | None = values.pop("config")
    return loading.load(values, os.environ, file)


def parse_header(text: str) -> tuple[str, str]:
    """Return name and value in `Name: value`. The error does not quote a malformed header, which may have a secret."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise EsRerankError("--header: use the form NAME:VALUE")
    return name.strip().title(), value.strip()


def parse_windows(text: str) -> list[int]:
    """Return the windows in `--windows`, such as `10,20`, sorted. Raises EsRerankError if the text is malformed."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 1 < int(part) <= _MAX_WINDOW for part in parts):
        raise EsRerankError(f"--windows: {text!r} must be numbers from 2 to {_MAX_WINDOW}, such as 10,20,50")
    return sorted({int(part) for part in parts})


def _option(name: str, row: FieldInfo) -> Callable[[Command], Command]:
    """Return the decorator that adds the option for one setting.

    Click does not convert or validate values, because `Settings` does so for all sources of settings.
    """
    flag = "--" + name.replace("_", "-")
    text = f"{row.description} [default: {shown(name, row)}]"
    if row.annotation is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", default=None, help=text)
    return click.option(flag, metavar=_metavar(name, row), help=text)


def shown(name: str, row: FieldInfo) -> str:
    """Return a setting's default value as shown in help texts and documentation."""
    match row.default:
        case None | ():
            return "none"
        case bool(switch):
            return str(switch).lower()
        case float(seconds) if name in DURATIONS:
            return duration_text(seconds)
        case tuple(names):
            return ",".join(names)
        case other:
            return str(other)


def _metavar(name: str, row: FieldInfo) -> str:
    """Return the placeholder for a setting's value in help texts."""
    if name in _LONG_NAMES:
        return _LONG_NAMES[name]
    kinds = {"int": "N", "Path": "PATH", "SecretStr": "TOKEN"}
    kind = next((word for part, word in kinds.items() if part in str(row.annotation)), "TEXT")
    return "URL" if name in {"upstream", "reranker"} else kind
