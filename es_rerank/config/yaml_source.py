"""Reads YAML files so that every complaint can name file, line and field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from es_rerank.errors import ConfigError

# What a complaint of the parser's names at its end, but for signs and its own `<block end>`.
_NAMED = re.compile(r"""\s(['"])(?!<)\S{2,}\1$""")

# Aliases make a small file stand for more than memory holds, or for itself.
_MOST_PLACES, _DEEPEST = 100_000, 50

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A mapping read from a file, and the line of each of its keys and items (counted from 1)."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Place, int]

    def where(self, place: Place) -> str:
        """Name the place of a field, or of the nearest thing around it, as `file:line`."""
        known = next((place[:cut] for cut in range(len(place), 0, -1) if place[:cut] in self.lines), ())
        return f"{self.path}:{self.lines.get(known, 1)}"


def load(path: Path) -> YamlFile:
    """Read a file that holds one mapping. Raises ConfigError for anything else, a repeated key included."""
    try:
        text = path.read_text(encoding="utf-8")
        # First, for the constructors follow aliases without end.
        lines = _lines(path, yaml.compose(text, Loader=yaml.SafeLoader))
        data = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: it is not UTF-8 from byte {error.start} on") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {_problem(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    except (ValueError, AttributeError):  # of the constructors of numbers and dates
        raise ConfigError(f"{path}: not valid YAML: no number or date; texts may stand in quotes") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: too deep") from None
    if not isinstance(data, dict | None):
        raise ConfigError(f"{path}:1: expected `key: value` lines, found {type(data).__name__}")
    return YamlFile(path, data or {}, lines)


def validate(model: type[Model], file: YamlFile) -> Model:
    """Check a file against a model. Raises ConfigError with one line a fault: file, line, field, what is wrong."""
    try:
        return model.model_validate(dict(file.data))
    except ValidationError as error:
        faults = [
            f"{file.where(one['loc'])}: {dotted(one['loc'])}: {plain(one['msg'], one['type'])}"
            for one in error.errors()
        ]
        raise ConfigError("\n".join(faults)) from error


def dotted(place: Place) -> str:
    """Write the path of a field."""
    return ".".join(str(part) for part in place)


def plain(message: str, kind: str) -> str:
    """Word a complaint of pydantic's for a person."""
    return "unknown key" if kind == "extra_forbidden" else message.removeprefix("Value error, ")


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Word what is wrong without what the file holds: a password that begins with `*` or `!` is taken for a name."""
    return _NAMED.sub("", error.problem or "")


def _lines(path: Path, node: yaml.Node | None) -> dict[Place, int]:
    """Find the line of each key and item. Raises ConfigError where they are too many, too deep, or repeated."""
    lines: dict[Place, int] = {}
    if node:
        _mark(path, node, (), lines)
    return lines


def _mark(path: Path, node: yaml.Node, place: Place, lines: dict[Place, int]) -> None:
    """Note the line of each key and item below a node."""
    for key, at, value in _below(path, node):
        inner = (*place, key)
        line = at.start_mark.line + 1
        if inner in lines:
            raise ConfigError(f"{path}:{line}: {dotted(inner)}: key given twice")
        if len(inner) > _DEEPEST:
            raise ConfigError(f"{path}:{line}: not valid YAML: too deep")
        if len(lines) == _MOST_PLACES:
            raise ConfigError(f"{path}:{line}: not valid YAML: more than {_MOST_PLACES} keys and items")
        lines[inner] = line
        _mark(path, value, inner, lines)


def _below(path: Path, node: yaml.Node) -> Iterator[tuple[str | int, yaml.Node, yaml.Node]]:
    """List what stands in a node: key or number, where it stands, value."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((at, value, value) for at, value in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: not valid YAML: a key that is no plain value")
            yield key.value, key, value
