"""Reads YAML files with error messages that name the file, the line and the key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from es_rerank.errors import ConfigError

# Quoted text of the file at the end of a parser's error message. Single characters and tokens such as `<block end>`
# are not matched.
_QUOTED_TEXT = re.compile(r"""\s(['"])(?!<)\S{2,}\1$""")
# What remains of `but found 'text'` without the quoted text.
_NOTHING_FOUND = re.compile(r",? but (found|got)$")
_QUOTE = "; quote a value that starts with `*` or `&`"

# Messages for the types of pydantic's errors, with the names in an error's context as placeholders.
_MESSAGES = {
    "missing": "this key is required",
    "list_type": "must be a list, such as [a, b]",
    "too_short": "must have at least {min_length} item",
    "string_type": "must be text; quote it if it looks like a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}

# Limits of the content after the expansion of YAML aliases, which can expand a small file to any size.
_MAX_LOCATIONS = 100_000
_MAX_DEPTH = 50

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The content of a YAML file.

    Attributes:
        path: Path of the file.
        data: The top-level mapping.
        lines: The line number of each key and list item, from 1.

    """

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Location, int]

    def where(self, location: Location) -> str:
        """Return `file:line` of a key, or of its nearest parent if the key is not in the file."""
        return f"{self.path}:{self.line(location)}"

    def line(self, location: Location) -> int:
        """Return the line of a key, or of its nearest parent if the key is not in the file."""
        known = next((location[:end] for end in range(len(location), 0, -1) if location[:end] in self.lines), ())
        return self.lines.get(known, 1)


def load(path: Path) -> YamlFile:
    """Read a YAML file. Raises ConfigError if it is unreadable, invalid, not a mapping, or has duplicate keys."""
    try:
        text = path.read_text(encoding="utf-8")
        # `safe_load` expands aliases without limit, so the size is checked first.
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
        raise ConfigError(f"{path}:1: the file must have `key: value` lines")
    return YamlFile(path, data or {}, lines)


def validate(model: type[Model], file: YamlFile) -> Model:
    """Return the content of a file as an instance of a pydantic model.

    Raises:
        ConfigError: If the file is invalid. The message has one line per error, with file, line and key.

    """
    try:
        return model.model_validate(dict(file.data))
    except ValidationError as error:
        errors = sorted(error.errors(), key=lambda one: file.line(one["loc"]))
        raise ConfigError("\n".join(_located(one, file, model) for one in errors)) from error


def _located(error: ErrorDetails, file: YamlFile, model: type[BaseModel]) -> str:
    """Return the message of an error with the file, the line and, unless the error is about several keys, the key."""
    where = file.where(error["loc"])
    key = f"{dotted(error['loc'])}: " if error["loc"] else ""
    return f"{where}: {key}{error_text(error, model.model_fields)}"


def dotted(location: Location) -> str:
    """Return the dotted path of a key."""
    return ".".join(str(part) for part in location)


def error_text(error: ErrorDetails, keys: Iterable[str]) -> str:
    """Return the message of a pydantic error in the words of the other messages about settings.

    Args:
        error: The error.
        keys: The valid keys at the top level, for the message about an unknown key.

    """
    if error["type"] in _MESSAGES:
        return _MESSAGES[error["type"]].format(**error.get("ctx", {}))
    if error["type"] != "extra_forbidden":
        return error["msg"].removeprefix("Value error, ")
    return unknown("key", str(error["loc"][0]), keys if len(error["loc"]) == 1 else ())


def unknown(kind: str, name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the message about an unknown name. It suggests the most similar name in *known*, if one is similar.

    Args:
        kind: The kind of name for the message, such as `key`.
        name: The unknown name.
        known: The valid names, in lower case and without *prefix*.
        prefix: The prefix of all names, in upper case like the rest of the names, if there is one.

    """
    similar = get_close_matches(name.removeprefix(prefix).lower(), known, 1)
    if not similar:
        return f"unknown {kind}"
    return f"unknown {kind}; did you mean `{prefix + similar[0].upper() if prefix else similar[0]}`?"


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return the parser's message without text of the file, which can be a password that starts with `*` or `!`."""
    problem, context = error.problem or "", error.context or ""
    whole = f"{context}, {problem}" if problem.startswith("but ") else problem
    text = _NOTHING_FOUND.sub("", _QUOTED_TEXT.sub("", whole))
    return text + _QUOTE if any(word in problem + context for word in ("alias", "anchor")) else text


def _lines(path: Path, node: yaml.Node | None) -> dict[Location, int]:
    """Return the line of each key and item. Raises ConfigError for duplicate keys, deep nesting or too many keys."""
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
    """Yield the children of a node, each as key or index, node of the key, and node of the value."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((index, value, value) for index, value in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: not valid YAML: a key must be a scalar")
            yield key.value, key, value
