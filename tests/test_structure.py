"""The house rules that no linter checks: levels of imports, sizes, and a test file for each module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "es_rerank", ROOT / "lab" / "es_rerank_lab")

# Each package or root module imports only from its own level and from lower ones, which come first in this table.
# CONTRIBUTING.md shows it; tests/docs.py writes it there.
LEVELS: Sequence[Sequence[str]] = (
    ("model", "errors", "reasons", "jsonspan"),
    ("search", "rerank", "compat"),
    ("pipeline",),
    ("config",),
    ("net",),
    ("engine_client", "rerank_client"),
    ("server", "evaluation", "load_test"),
    ("cli", "testing", "__main__"),
    ("es_rerank_lab",),
)
# Packages of one level that must not import each other.
INDEPENDENT = (
    ("search", "rerank"),
    ("engine_client", "rerank_client"),
    ("server", "evaluation"),
    ("server", "load_test"),
)
# Levels 0 to 2 are pure.
PURE = 2
# What a pure module must not import: network, clock, randomness, files, logging.
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
MAX_ROOT_MODULES = 6
MAX_LINES, MAX_MEDIAN_LINES = 250, 90
MAX_FUNCTION_LINES, MAX_MEDIAN_FUNCTION_LINES = 40, 7
MAX_PARAMETERS = 5
# Modules without a test file of their own, and the tests that cover them.
TESTED_ELSEWHERE: Mapping[str, str] = {
    "es_rerank.__main__": "two lines; tests/cli/test_main.py runs it",
    "es_rerank.cli": "tests/cli/test_main.py: `main` and the list of commands",
    "es_rerank.config.endpoint_settings": "fields; tests/config/test_settings.py",
    "es_rerank.evaluation.records": "tests/evaluation/test_journal.py and tests/evaluation/tuning/test_run.py",
    "es_rerank.evaluation.tuning.values": "values; tests/evaluation/tuning/test_outcomes.py",
    "es_rerank.evaluation.values": "values; tests/evaluation/test_summary.py",
    "es_rerank.model": "the names of its modules",
    "es_rerank.model.scores": "values; tests/test_pipeline.py",
    "es_rerank.net.messages": "values",
    "es_rerank.net.spans": "records; tests/net/test_tracing.py",
    "es_rerank.reasons": "a table of sentences; tests/test_docs.py checks that every Why has a row",
    "es_rerank.rerank.backends.answer": "tests/rerank/test_backends.py: the checks of every backend's responses",
    "es_rerank.rerank.profiles.profile": "tests/rerank/test_profiles.py runs every profile",
    "es_rerank.rerank.backends.cohere": "tests/rerank/test_backends.py runs every backend over its recorded pair",
    "es_rerank.rerank.backends.infinity": "the same",
    "es_rerank.rerank.backends.tei": "the same",
    "es_rerank.rerank.backends.vllm": "the same",
    "es_rerank.search.fields.words": "sets of words; tests/search/fields/test_names.py",
    "es_rerank.search.query_text.terms": "values and helpers of tests/search/query_text/test_leaf_clauses.py",
    "es_rerank.server.handlers": "the table of handlers; tests/server/handlers sends requests through each",
    "es_rerank.server.state": "builds the parts of the server; every test of tests/server/test_app.py runs through it",
    "es_rerank.testing": "the fakes; most tests of tests/server run through them",
    "es_rerank_lab.cli": "tests/lab/demo runs it",
    "es_rerank_lab.parts.errors": "two classes without code",
}
# The hosts that the code may name: this machine, and the release servers of the engines.
HOSTS = re.compile(r"https?://([^\s\"'/:)}{]+)")
KNOWN_HOSTS = {"127.0.0.1", "localhost", "artifacts.elastic.co", "artifacts.opensearch.org"}
# Hosts of specifications that docstrings refer to.
SPECIFICATIONS = {
    "docs.opensearch.org",
    "github.com",
    "ir-measur.es",
    "platform.openai.com",
    "trec.nist.gov",
    "www.w3.org",
}


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


def imports(module: str) -> Iterator[str]:
    """List what a module imports, anywhere in it; `from package import name` is the module `name` if there is one."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def own_imports(module: str) -> set[str]:
    return {name for name in imports(module) if name in MODULES and name != "es_rerank"} - {module}


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


LEVEL_MODULES = tuple(module for module in MODULES if module != "es_rerank")


def modules_of(*names: str) -> list[str]:
    return [module for module in LEVEL_MODULES if package(module) in names]


def file_of_tests(module: str) -> Path:
    """Return the path of the test file that a module must have."""
    parts = module.split(".")
    folder = ROOT / "tests" / ("lab" if parts[0] == "es_rerank_lab" else "")
    return folder / Path(*parts[1:-1]) / f"test_{parts[-1]}.py"


def test_packages_import_only_from_their_own_level_and_lower_ones() -> None:
    assert [
        (module, name) for module in LEVEL_MODULES for name in own_imports(module) if level(name) > level(module)
    ] == []


def test_there_are_no_circular_imports() -> None:
    TopologicalSorter({module: own_imports(module) for module in LEVEL_MODULES}).prepare()


def test_pure_modules_import_no_io_clock_randomness_or_logging() -> None:
    pure = [module for module in LEVEL_MODULES if level(module) <= PURE]
    assert [(module, name) for module in pure for name in imports(module) if name.split(".")[0] in IMPURE] == []


@pytest.mark.parametrize("pair", INDEPENDENT)
def test_the_engine_side_and_the_model_side_do_not_import_each_other(pair: tuple[str, str]) -> None:
    assert [
        (module, name)
        for module in modules_of(*pair)
        for name in own_imports(module)
        if package(name) in set(pair) - {package(module)}
    ] == []


def test_the_parts_of_the_lab_do_not_import_the_endpoint() -> None:
    known = {"es_rerank.errors", "es_rerank.cli.vllm_command"}
    parts = [module for module in LEVEL_MODULES if module.startswith("es_rerank_lab.parts")]
    assert [
        (module, name)
        for module in parts
        for name in own_imports(module)
        if not name.startswith("es_rerank_lab") and name not in known
    ] == []


def test_there_are_at_most_six_modules_at_the_root() -> None:
    root = [
        module for module in LEVEL_MODULES if path_of(module).parent == PACKAGES[0] and module != "es_rerank.__main__"
    ]
    assert len(root) <= MAX_ROOT_MODULES


def test_modules_are_small_and_have_a_docstring() -> None:
    lines = {module: len(path_of(module).read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert {module: count for module, count in lines.items() if count > MAX_LINES} == {}
    assert [module for module in MODULES if not ast.get_docstring(tree(module))] == []


@pytest.mark.parametrize("root", PACKAGES, ids=lambda root: root.name)
def test_half_of_the_modules_have_at_most_ninety_lines(root: Path) -> None:
    paths = [path for path in PATHS.values() if path.is_relative_to(root)]
    assert median(len(path.read_text(encoding="utf-8").splitlines()) for path in paths) <= MAX_MEDIAN_LINES


def size(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function, its docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def test_functions_are_small() -> None:
    sizes = {(module, function.name): size(function) for module in MODULES for function in functions(module)}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("root", PACKAGES, ids=lambda root: root.name)
def test_half_of_the_functions_have_at_most_seven_lines(root: Path) -> None:
    modules = [module for module in MODULES if path_of(module).is_relative_to(root)]
    sizes = [size(function) for module in modules for function in functions(module)]
    assert median(sizes) <= MAX_MEDIAN_FUNCTION_LINES


def test_functions_take_few_parameters() -> None:
    assert [
        (module, function.name)
        for module in MODULES
        for function in functions(module)
        if len([name for name in parameters(function) if name not in {"self", "cls"}]) > MAX_PARAMETERS
    ] == []


def test_only_the_command_line_prints() -> None:
    assert [
        (module, node.lineno)
        for module in LEVEL_MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Name) and node.id == "print" and package(module) != "cli"
    ] == []


def test_every_created_task_is_referenced() -> None:
    # A task group references its tasks itself.
    assert [
        (module, node.lineno)
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and "create_task" in ast.dump(node.value.func)
        and ast.unparse(node.value.func) != "group.create_task"
    ] == []


def test_every_module_has_its_test() -> None:
    coded = [module for module in LEVEL_MODULES if len(tree(module).body) > 1 and module not in TESTED_ELSEWHERE]
    assert [module for module in coded if not file_of_tests(module).is_file()] == []


def test_each_module_without_a_test_file_needs_its_exception() -> None:
    assert [module for module in TESTED_ELSEWHERE if module not in MODULES or file_of_tests(module).is_file()] == []


def test_the_code_names_no_other_host() -> None:
    hosts = {
        (module, host) for module in MODULES for host in HOSTS.findall(path_of(module).read_text(encoding="utf-8"))
    }
    assert {(module, host) for module, host in hosts if host not in KNOWN_HOSTS | SPECIFICATIONS} == set()
