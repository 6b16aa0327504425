"""The modules to mutate, and the tests of each: those that mirror the module, then end-to-end tests of searches."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "es_rerank"
# Pure packages and modules, and the handlers of requests.
SCOPE = (
    "jsonspan",
    "model",
    "pipeline.py",
    "compat",
    "search",
    "rerank",
    "rerank_client",
    "server/handlers",
)
# Of `rerank_client`, the modules without I/O.
_PURE_ONLY = "rerank_client"
_IO = frozenset({"aiohttp", "asyncio"})
# End-to-end tests, for mutants that the mirror of a module does not kill, and the tables of the docs that list values.
END_TO_END = (
    "tests/test_docs.py::test_generated_parts_are_current",
    *("tests/test_pipeline.py", "tests/test_golden_searches.py", "tests/server/handlers"),
)


def modules(root: Path) -> list[str]:
    """List the paths of the modules that are mutated, relative to *root*."""
    return sorted(str(path.relative_to(root)) for path in _in_scope(root) if not _does_io(root, path))


def package_of(path: str) -> str:
    """Name the row of the table for a module: its folder below es_rerank, or the module itself."""
    parts = Path(path).relative_to(PACKAGE).parts
    return "/".join(parts[:-1]) or parts[0].removesuffix(".py")


def mirror(root: Path, path: str) -> tuple[str, ...]:
    """Name the tests of a module: its own file, that of its package, or all tests of the folder."""
    parts = Path(path).relative_to(PACKAGE).with_suffix("").parts
    folder = Path("tests", *parts[:-1])
    own = folder / f"test_{parts[-1]}.py"
    for file in (own, folder.parent / f"test_{folder.name}.py"):
        if (root / file).is_file():
            return (str(file),)
    return (str(folder),)


def _in_scope(root: Path) -> Iterator[Path]:
    for name in SCOPE:
        path = root / PACKAGE / name
        yield from path.rglob("*.py") if path.is_dir() else [path]


def _does_io(root: Path, path: Path) -> bool:
    """Return whether a module of the rerank client imports the event loop or HTTP."""
    if path.relative_to(root / PACKAGE).parts[0] != _PURE_ONLY:
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return any(name.partition(".")[0] in _IO for name in names)
