"""The layers that settings come from: flags, environment variables and a YAML file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from es_rerank.config import yaml_source
from es_rerank.errors import ConfigError

PREFIX = "ES_RERANK_"
# Variables that are not settings: the settings file itself, and those of the demo.
_OTHER_VARIABLES = frozenset({"ES_RERANK_CONFIG", "ES_RERANK_CACHE", "ES_RERANK_MAVEN_REPOSITORY"})


@dataclass(frozen=True, slots=True)
class Layer:
    """Values by setting, and the name of each in this layer, such as `--window` or `settings.yaml:3: window`."""

    values: Mapping[str, Any]
    names: Mapping[str, str]


def from_flags(flags: Mapping[str, Any]) -> Layer:
    """Read the flags that were used; the value of the others is None."""
    used = {name: value for name, value in flags.items() if value is not None}
    return Layer(used, {name: "--" + name.replace("_", "-") for name in used})


def from_environment(environment: Mapping[str, str], settings: Collection[str]) -> Layer:
    """Read `ES_RERANK_*`. Raises ConfigError for a name that is not among *settings*, probably a typing error."""
    own = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    unknown = [name for name in own if _setting(name) not in settings and name not in _OTHER_VARIABLES]
    if unknown:
        raise ConfigError("\n".join(f"{name}: unknown variable" for name in sorted(unknown)))
    values = {_setting(name): value for name, value in own.items() if name not in _OTHER_VARIABLES}
    return Layer(values, {name: PREFIX + name.upper() for name in values})


def from_file(path: Path) -> Layer:
    """Read the keys of a YAML file. Raises ConfigError if it is not a mapping."""
    file = yaml_source.load(path)
    return Layer(dict(file.data), {str(name): f"{file.where((name,))}: {name}" for name in file.data})


def _setting(variable: str) -> str:
    """Return the setting that a variable stands for."""
    return variable.removeprefix(PREFIX).lower()
