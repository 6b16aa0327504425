"""Reads YAML files so that every error message names file, line and field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from es_rerank.errors import ConfigError

# The quoted text at the end of a parser's error message; single characters and tokens such as `<block end>` are kept.
_QUOTED_TEXT = re.compile(r"""\s(['"])(?!<)\S{2,}\1$""")

# Aliases can expand a small file to any size, or to itself.
_MAX_LOCATIONS = 100_000
_MAX_DEPTH = 50

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A mapping read from a file, and the line of each of its keys and items, counted from 1."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Location, int]

    def where(self, location: Location) -> str:
        """Return `file:line` of a field, or of the nearest parent that the file has."""
        known = next((location[:end] for end in range(len(location), 0, -1) if location[:end] in self.lines), ())
        return f"{self.path}:{self.lines.get(known, 1)}"


def load(path: Path) -> YamlFile:
    """Read a file that contains one mapping. Raises ConfigError for anything else, and for duplicate keys."""
    try:
        text = path.read_text(encoding="utf-8")
        # The constructors expand aliases without limit, so check the size first.
        lines = _lines(path, yaml.compose(text, Loader=yaml.SafeLoader))
        data = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: it is not UTF-8 at byte {error.start}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {_problem(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    except (ValueError, AttributeError):  # raised by the constructors of numbers and dates
        raise ConfigError(f"{path}: not valid YAML: malformed number or date; quote it if it is text") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from None
    if not isinstance(data, dict | None):
        raise ConfigError(f"{path}:1: expected a mapping (`key: value`), found {type(data).__name__}")
    return YamlFile(path, data or {}, lines)


def validate(model: type[Model], file: YamlFile) -> Model:
    """Validate a file against a model. Raises ConfigError with one line per error: file, line, field and text."""
    try:
        return model.model_validate(dict(file.data))
    except ValidationError as error:
        errors = [
            f"{file.where(one['loc'])}: {dotted(one['loc'])}: {error_text(one['msg'], one['type'])}"
            for one in error.errors()
        ]
        raise ConfigError("\n".join(errors)) from error


def dotted(location: Location) -> str:
    """Return the dotted path of a field."""
    return ".".join(str(part) for part in location)


def error_text(message: str, kind: str) -> str:
    """Return the text of a pydantic error without its prefix."""
    return "unknown key" if kind == "extra_forbidden" else message.removeprefix("Value error, ")


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return the parser's message without text of the file: a password that begins with `*` or `!` is quoted there."""
    return _QUOTED_TEXT.sub("", error.problem or "")


def _lines(path: Path, node: yaml.Node | None) -> dict[Location, int]:
    """Return the line of each key and item. Raises ConfigError if they are too many, too deep or duplicate."""
    lines: dict[Location, int] = {}
    if node:
        _add_lines(path, node, (), lines)
    return lines


def _add_lines(path: Path, node: yaml.Node, location: Location, lines: dict[Location, int]) -> None:
    """Add the line of each key and item below a node."""
    for key, key_node, value in _children(path, node):
        inner = (*location, key)
        line = key_node.start_mark.line + 1
        if inner in lines:
            raise ConfigError(f"{path}:{line}: {dotted(inner)}: duplicate key")
        if len(inner) > _MAX_DEPTH:
            raise ConfigError(f"{path}:{line}: not valid YAML: nested too deeply")
        if len(lines) == _MAX_LOCATIONS:
            raise ConfigError(f"{path}:{line}: not valid YAML: more than {_MAX_LOCATIONS} keys and items")
        lines[inner] = line
        _add_lines(path, value, inner, lines)


def _children(path: Path, node: yaml.Node) -> Iterator[tuple[str | int, yaml.Node, yaml.Node]]:
    """Iterate over a collection: key or index, node of the key, node of the value."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((index, value, value) for index, value in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: not valid YAML: a key must be a scalar")
            yield key.value, key, value
