"""The house rules that no linter knows: the ladder of imports, the sizes, and the mirror of tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "es_rerank"

# First match wins: a module's level is that of the first prefix it has.
LEVELS: Mapping[str, int] = {
    "es_rerank.rerank.asker": 3,
    "es_rerank.rerank.flights": 3,
    "es_rerank.rerank.pool": 3,
    "es_rerank.rerank.report": 3,
    "es_rerank.rerank.server": 3,
    "es_rerank.rerank.wire": 3,
    "es_rerank.rerank.client": 3,
    "es_rerank.rerank.tokenizer": 3,
    "es_rerank.rerank.trial": 3,
    "es_rerank.model": 0,
    "es_rerank.errors": 0,
    "es_rerank.faults": 3,
    "es_rerank.reasons": 0,
    "es_rerank.spans": 0,
    "es_rerank.coding": 1,
    "es_rerank.present": 1,
    "es_rerank.search": 1,
    "es_rerank.rerank": 1,
    "es_rerank.pipeline": 2,
    "es_rerank.yamlfile": 3,
    "es_rerank.values": 3,
    "es_rerank.config": 3,
    "es_rerank.tls": 3,
    "es_rerank.pour": 3,
    "es_rerank.rules": 3,
    "es_rerank.upstream": 3,
    "es_rerank.indices": 3,
    "es_rerank.metrics": 3,
    "es_rerank.shadow": 4,
    "es_rerank.state": 4,
    "es_rerank.answers": 4,
    "es_rerank.incoming": 4,
    "es_rerank.listen.preface": 1,
    "es_rerank.listen.refusals": 1,
    "es_rerank.listen": 4,
    "es_rerank.relay": 4,
    "es_rerank.exchange": 4,
    "es_rerank.flows": 4,
    "es_rerank.server": 4,
    "es_rerank.web": 4,
    "es_rerank.cli": 5,
    "es_rerank.parts": 5,
    "es_rerank.demo": 5,
    "es_rerank.__main__": 5,
}
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
MOST_LINES = 250
MOST_FUNCTION_LINES = 40
MOST_PARAMETERS = 5
# Modules whose test stands elsewhere than the mirror says, and why.
TESTED_ELSEWHERE: Mapping[str, str] = {
    "es_rerank.__main__": "two lines; tests/cli/test_main.py runs it",
    "es_rerank.cli": "tests/cli/test_main.py: `main` and the list of commands",
    "es_rerank.errors": "values; tests/test_model.py",
    "es_rerank.flows": "the table of flows; tests/flows sends requests through each",
    "es_rerank.reasons": "a table of sentences; tests/test_docs.py asks that every Why has one",
    "es_rerank.state": "puts the parts together; every test of tests/test_server.py runs through it",
    "es_rerank.upstream.messages": "values",
    "es_rerank.rerank.backends.answer": "tests/rerank/test_backends.py: the demands on every row's answers",
    "es_rerank.rerank.backends.cohere": "tests/rerank/test_backends.py runs every row over its recorded pair",
    "es_rerank.rerank.backends.infinity": "the same",
    "es_rerank.rerank.backends.tei": "the same",
    "es_rerank.rerank.backends.vllm": "the same",
    "es_rerank.web.pages": "tests/test_pages.py; tests/live/test_page.py looks at the page with a browser",
    "es_rerank.cli.demo": "tests/demo runs it",
    "es_rerank.parts.errors": "two classes without code",
}
# The hosts that the package may name: this machine, and where the makers of the engines keep their releases.
HOSTS = re.compile(r"https?://([^\s\"'/:)}{]+)")
KNOWN_HOSTS = {"127.0.0.1", "localhost", "artifacts.elastic.co", "artifacts.opensearch.org"}


def path_of(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = tuple(sorted(name_of(path) for path in PACKAGE.rglob("*.py")))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def level(module: str) -> int:
    return next(value for prefix, value in LEVELS.items() if f"{module}.".startswith(f"{prefix}."))


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
    return {name for name in imported(module) if name.startswith("es_rerank.")} - {module}


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(one: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [each.arg for each in (*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs)]


def subject(module: str) -> str:
    """Name the part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


LADDER = tuple(module for module in MODULES if module != "es_rerank")


def below(*subjects: str) -> list[str]:
    return [module for module in LADDER if subject(module) in subjects]


def mirror(module: str) -> Path:
    """Say where the test of a module stands."""
    parts = module.split(".")[1:]
    return ROOT / "tests" / Path(*parts[:-1]) / f"test_{parts[-1]}.py"


def test_each_level_of_the_ladder_looks_only_down() -> None:
    assert [(one, name) for one in LADDER for name in own(one) if level(name) > level(one)] == []


def test_no_two_modules_wait_for_each_other() -> None:
    TopologicalSorter({module: own(module) for module in LADDER}).prepare()


def test_decisions_are_pure() -> None:
    pure = [module for module in LADDER if level(module) <= PURE]
    assert [(one, name) for one in pure for name in imported(one) if name.split(".")[0] in IMPURE] == []


def test_engine_side_and_model_side_do_not_know_each_other() -> None:
    assert [(one, name) for one in below("search") for name in own(one) if subject(name) == "rerank"] == []
    assert [(one, name) for one in below("rerank") for name in own(one) if subject(name) == "search"] == []


def test_parts_do_not_know_the_proxy() -> None:
    known = {"parts", "errors"}
    assert [(one, name) for one in below("parts") for name in own(one) if subject(name) not in known] == []


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
        if isinstance(node, ast.Name) and node.id == "print" and subject(module) != "cli"
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
