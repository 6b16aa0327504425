"""The three sources (layers) of settings: command-line flags, environment variables and a YAML file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from es_rerank.config import yaml_source
from es_rerank.errors import ConfigError

PREFIX = "ES_RERANK_"
# Variables with the prefix that are not settings: the path of the settings file, and the variables of the demo.
_OTHER_VARIABLES = frozenset({"ES_RERANK_CONFIG", "ES_RERANK_CACHE", "ES_RERANK_MAVEN_REPOSITORY"})


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings that one source sets.

    Attributes:
        values: The value of each setting, by name.
        names: The name of each setting in error messages, such as `--window` or `settings.yaml:3: window`.

    """

    values: Mapping[str, Any]
    names: Mapping[str, str]


def from_flags(flags: Mapping[str, Any]) -> Layer:
    """Return the layer of the command-line flags. A flag that was not used has the value None."""
    used = {name: value for name, value in flags.items() if value is not None}
    return Layer(used, {name: "--" + name.replace("_", "-") for name in used})


def from_environment(environment: Mapping[str, str], settings: Collection[str]) -> Layer:
    """Return the layer of the environment variables `ES_RERANK_*`.

    Args:
        environment: All environment variables.
        settings: The names of all settings.

    Raises:
        ConfigError: If the name of a variable has the prefix, but there is no such setting.

    """
    own = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    wrong = [name for name in own if _setting(name) not in settings and name not in _OTHER_VARIABLES]
    if wrong:
        errors = [f"{name}: {yaml_source.unknown('variable', name, settings, PREFIX)}" for name in sorted(wrong)]
        raise ConfigError("\n".join(errors))
    values = {_setting(name): value for name, value in own.items() if name not in _OTHER_VARIABLES}
    return Layer(values, {name: PREFIX + name.upper() for name in values})


def from_file(path: Path, paths: Collection[str]) -> Layer:
    """Return the layer of a YAML settings file. Relative paths in it are relative to the folder of the file.

    Args:
        path: The settings file.
        paths: The names of the settings that are paths.

    Raises:
        ConfigError: If the file cannot be read or is not a mapping.

    """
    file = yaml_source.load(path)
    values = {
        name: str(path.parent / value) if name in paths and isinstance(value, str) else value
        for name, value in file.data.items()
    }
    return Layer(values, {str(name): f"{file.where((name,))}: {name}" for name in file.data})


def _setting(variable: str) -> str:
    """Return the name of the setting that an environment variable sets."""
    return variable.removeprefix(PREFIX).lower()
