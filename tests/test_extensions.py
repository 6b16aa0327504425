"""Adding something changes the files that CONTRIBUTING.md lists, and no other: checked on one that exists."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.extensions import EXTENSIONS, ROOT, Extension, Place

COMPLETE = [extension for extension in EXTENSIONS if extension.names]
PLACES = [
    (extension, place)
    for extension in EXTENSIONS
    for place in (*extension.files, *extension.tests, *extension.homonyms)
]


def words(tree: ast.AST) -> Iterator[str]:
    """List identifiers, string literals and the last parts of imported names; prose in docstrings is none of them."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name):
                yield name.rpartition(".")[2]


@cache
def words_by_file() -> Mapping[str, set[str]]:
    """Return the words of each file in es_rerank/ and its name."""
    paths = (ROOT / "es_rerank").rglob("*.py")
    return {
        path.relative_to(ROOT).as_posix(): {path.stem, *words(ast.parse(path.read_text(encoding="utf-8")))}
        for path in paths
    }


def files_naming(names: frozenset[str]) -> set[str]:
    """List the files in es_rerank/ that name one of *names*, or are named after it."""
    return {path for path, named in words_by_file().items() if names & named}


def named_by(path: Path) -> set[str]:
    """List the names that a file, or a folder by its own name, has."""
    return {path.stem, *(path.read_text(encoding="utf-8").splitlines() if path.is_file() else ())}


@pytest.mark.parametrize("extension", COMPLETE, ids=lambda extension: extension.what)
def test_the_files_that_name_an_example_are_those_of_the_table(extension: Extension) -> None:
    found = files_naming(extension.names) - {place.path for place in extension.homonyms}
    required = {place.path for place in extension.files if not place.optional}
    assert required <= found <= {place.path for place in extension.files}


@pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda extension: extension.what)
def test_an_addition_changes_at_most_the_promised_number_of_files(extension: Extension) -> None:
    assert len(extension.files) <= extension.max_files


@pytest.mark.parametrize(("extension", "place"), PLACES, ids=[f"{one.what}: {place.path}" for one, place in PLACES])
def test_each_listed_file_names_the_example(extension: Extension, place: Place) -> None:
    names = extension.names or {extension.example}
    lines = [line.lower() for line in named_by(ROOT / place.path)]
    assert any(name.lower() in line for name in names for line in lines)


def test_the_kinds_that_people_add_most_are_checked() -> None:
    checked = {extension.example for extension in COMPLETE}
    assert {"terms_set", "tei", "minilm", "linear", "_rank_eval"} <= checked
