"""SECURITY.md: each promise names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISED = PAGE.partition("## What is promised")[2].partition("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in PROMISED.splitlines() if line.startswith("| ")][2:]
TESTS = [(promise, name) for promise, tests in ROWS for name in re.findall(r"`([^`]+)`", tests)]


@cache
def functions(path: str) -> frozenset[str]:
    """Return the names of the functions in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_promise_names_a_test() -> None:
    assert len(ROWS) > 10
    assert {promise for promise, _ in TESTS} == {promise for promise, _ in ROWS}


@pytest.mark.parametrize("name", sorted({name for _, name in TESTS}))
def test_the_tests_of_promises_exist(name: str) -> None:
    path, _, function = name.partition("::")
    assert function in functions(path)
