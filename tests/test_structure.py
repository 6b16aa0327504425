"""The house rules that no linter knows: the ladder of imports, the sizes, and the mirror of tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "es_rerank", ROOT / "lab" / "es_rerank_lab")

# The levels of docs and CONTRIBUTING.md: each package imports only from its own level and those above it in this table.
LEVELS: Sequence[Sequence[str]] = (
    ("model", "errors", "reasons", "jsonspan"),
    ("search", "rerank", "compat"),
    ("pipeline",),
    ("config",),
    ("net",),
    ("engine_client", "rerank_client"),
    ("server",),
    ("cli", "testing", "__main__"),
    ("es_rerank_lab",),
)
# Packages of one level that must not import each other.
STRANGERS = (("search", "rerank"), ("engine_client", "rerank_client"))
# Levels 0 to 2 are pure.
PURE = 2
# What a pure module may not touch: the network, the clock, chance, the disk, the log.
IMPURE = {
    "asyncio",
    "aiohttp",
    "time",
    "random",
    "secrets",
    "logging",
    "structlog",
    "os",
    "pathlib",
    "socket",
    "uvloop",
}
MOST_ROOT_MODULES = 6
MOST_LINES = 250
MOST_FUNCTION_LINES = 40
MOST_PARAMETERS = 5
# Modules without a test file of their own, and where they are tested.
TESTED_ELSEWHERE: Mapping[str, str] = {
    "es_rerank.__main__": "two lines; tests/cli/test_main.py runs it",
    "es_rerank.cli": "tests/cli/test_main.py: `main` and the list of commands",
    "es_rerank.errors": "values; tests/test_model.py",
    "es_rerank.net.messages": "values",
    "es_rerank.reasons": "a table of sentences; tests/test_docs.py checks that every Why has one",
    "es_rerank.rerank.backends.answer": "tests/rerank/test_backends.py: the checks on every backend's answers",
    "es_rerank.rerank.backends.cohere": "tests/rerank/test_backends.py runs every backend over its recorded pair",
    "es_rerank.rerank.backends.infinity": "the same",
    "es_rerank.rerank.backends.tei": "the same",
    "es_rerank.rerank.backends.vllm": "the same",
    "es_rerank.search.query_text.terms": "values and helpers of tests/search/query_text/test_leaf_clauses.py",
    "es_rerank.server.handlers": "the table of handlers; tests/server/handlers sends requests through each",
    "es_rerank.server.state": "puts the parts together; every test of tests/server/test_app.py runs through it",
    "es_rerank.testing": "the fakes; most tests of tests/server run through them",
    "es_rerank_lab.cli": "tests/lab/demo runs it",
    "es_rerank_lab.parts.errors": "two classes without code",
}
# The hosts that the package may name: this machine, and where the makers of the engines keep their releases.
HOSTS = re.compile(r"https?://([^\s\"'/:)}{]+)")
KNOWN_HOSTS = {"127.0.0.1", "localhost", "artifacts.elastic.co", "artifacts.opensearch.org"}


def name_of(path: Path) -> str:
    root = next(package.parent for package in PACKAGES if path.is_relative_to(package))
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


PATHS: Mapping[str, Path] = {name_of(path): path for package in PACKAGES for path in sorted(package.rglob("*.py"))}
MODULES = tuple(sorted(PATHS))


def path_of(module: str) -> Path:
    return PATHS[module]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def package(module: str) -> str:
    """Return the package or root module that a module belongs to."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == "es_rerank" else first


def level(module: str) -> int:
    return next(number for number, names in enumerate(LEVELS) if package(module) in names)


def imported(module: str) -> Iterator[str]:
    """Name what a module imports, wherever in it; `from package import name` is the module `name` if there is one."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: relative import"
            for one in node.names:
                inner = f"{node.module}.{one.name}"
                yield inner if inner in MODULES else str(node.module)


def own(module: str) -> set[str]:
    return {name for name in imported(module) if name in MODULES and name != "es_rerank"} - {module}


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(one: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [each.arg for each in (*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs)]


LADDER = tuple(module for module in MODULES if module != "es_rerank")


def below(*names: str) -> list[str]:
    return [module for module in LADDER if package(module) in names]


def mirror(module: str) -> Path:
    """Return where the test of a module must be."""
    parts = module.split(".")
    folder = ROOT / "tests" / ("lab" if parts[0] == "es_rerank_lab" else "")
    return folder / Path(*parts[1:-1]) / f"test_{parts[-1]}.py"


def test_each_level_of_the_ladder_looks_only_down() -> None:
    assert [(one, name) for one in LADDER for name in own(one) if level(name) > level(one)] == []


def test_no_two_modules_wait_for_each_other() -> None:
    TopologicalSorter({module: own(module) for module in LADDER}).prepare()


def test_decisions_are_pure() -> None:
    pure = [module for module in LADDER if level(module) <= PURE]
    assert [(one, name) for one in pure for name in imported(one) if name.split(".")[0] in IMPURE] == []


@pytest.mark.parametrize("pair", STRANGERS)
def test_the_engine_side_and_the_model_side_do_not_import_each_other(pair: tuple[str, str]) -> None:
    assert [
        (one, name) for one in below(*pair) for name in own(one) if package(name) in set(pair) - {package(one)}
    ] == []


def test_the_parts_of_the_lab_know_nothing_of_the_endpoint() -> None:
    known = {"es_rerank.errors", "es_rerank.cli.vllm_command"}
    parts = [one for one in LADDER if one.startswith("es_rerank_lab.parts")]
    assert [
        (one, name) for one in parts for name in own(one) if not name.startswith("es_rerank_lab") and name not in known
    ] == []


def test_there_are_at_most_six_modules_at_the_root() -> None:
    root = [module for module in LADDER if path_of(module).parent == PACKAGES[0] and module != "es_rerank.__main__"]
    assert len(root) <= MOST_ROOT_MODULES


def test_modules_are_small_and_say_what_they_are() -> None:
    lines = {module: len(path_of(module).read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}
    assert [module for module in MODULES if not ast.get_docstring(tree(module))] == []


def test_functions_are_small() -> None:
    sizes = {
        (module, one.name): (one.end_lineno or 0) - one.lineno + 1 for module in MODULES for one in functions(module)
    }
    assert {name: size for name, size in sizes.items() if size > MOST_FUNCTION_LINES} == {}


def test_functions_take_few_parameters() -> None:
    assert [
        (module, one.name)
        for module in MODULES
        for one in functions(module)
        if len([name for name in parameters(one) if name not in {"self", "cls"}]) > MOST_PARAMETERS
    ] == []


def test_only_the_command_line_prints() -> None:
    assert [
        (module, node.lineno)
        for module in LADDER
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Name) and node.id == "print" and package(module) != "cli"
    ] == []


def test_tasks_are_kept_from_being_collected() -> None:
    assert [
        (module, node.lineno)
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and "create_task" in ast.dump(node.value.func)
    ] == []


def test_every_module_has_its_test() -> None:
    coded = [module for module in LADDER if len(tree(module).body) > 1 and module not in TESTED_ELSEWHERE]
    assert [module for module in coded if not mirror(module).is_file()] == []


def test_the_list_of_exceptions_is_no_longer_than_it_must_be() -> None:
    assert [one for one in TESTED_ELSEWHERE if one not in MODULES or mirror(one).is_file()] == []


def test_no_other_host_is_named() -> None:
    hosts = {
        (module, host) for module in MODULES for host in HOSTS.findall(path_of(module).read_text(encoding="utf-8"))
    }
    assert {(module, host) for module, host in hosts if host not in KNOWN_HOSTS} == set()
