"""Loads the settings from flags, environment variables and the settings file.

The sources are merged here and not by pydantic-settings, because an error message must name the flag, the variable, or
the file and line of the invalid value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from es_rerank.config import layers, yaml_source
from es_rerank.config.conflicts import conflicts
from es_rerank.config.settings import Settings
from es_rerank.config.types import duration_text
from es_rerank.errors import ConfigError

PREFIX = layers.PREFIX
DURATIONS = ("connect_timeout", "deadline", "drain_delay", "shared_cache_ttl", "shared_cache_timeout", "slow_search")
PATHS = frozenset(name for name, row in Settings.model_fields.items() if "Path" in str(row.annotation))


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Settings:
    """Load the settings. Flags override environment variables, which override the file, which overrides the defaults.

    Args:
        flags: The value of each command-line flag by setting; None if the flag was not used.
        environment: All environment variables.
        file: Path of the YAML settings file, if there is one.

    Raises:
        ConfigError: If a value is invalid. The message has one line per error, which names the flag, the variable, or
            the file and line.

    """
    found = [layers.from_flags(flags), layers.from_environment(environment, Settings.model_fields)]
    if file:
        found.append(layers.from_file(file, PATHS))
    merged: dict[str, Any] = {}
    names: dict[str, str] = {}
    for layer in reversed(found):
        merged |= layer.values
        names |= layer.names
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        errors = [(str(one["loc"][0]), yaml_source.error_text(one, Settings.model_fields)) for one in error.errors()]
        raise ConfigError(_lines(errors, names)) from error
    if wrong := conflicts(settings.model_dump(), settings.model_dump(exclude_defaults=True), settings.model_fields_set):
        raise ConfigError(_lines(wrong, names))
    return settings


def _lines(errors: Sequence[tuple[str, str]], names: Mapping[str, str]) -> str:
    """Return the error message: one line per error, which starts with the source of the setting."""
    return "\n".join(f"{names.get(name, name)}: {text}" for name, text in errors)


def in_force(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values in the order of `Settings`, with masked secrets and durations such as `3s`."""
    shown = settings.model_dump(mode="json")
    for name in DURATIONS:
        shown[name] = None if shown[name] is None else duration_text(getattr(settings, name))
    return shown
