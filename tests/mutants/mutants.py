"""Finds the mutants of a module with the operators of Cosmic Ray, and draws a sample of them.

The sample is drawn by a digest of each mutant's operator and code, not of its line number: with the same seed, a
change elsewhere in a module leaves the rest of the sample as it was.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

# Operators whose mutants are plausible mistakes. The other replacements of Cosmic Ray, such as `in` by `<`, fail with
# any test that reaches them and say nothing about the tests.
OPERATORS: Mapping[str, Sequence[str]] = {
    "comparison": tuple(
        f"core/ReplaceComparisonOperator_{pair}"
        for pair in (
            *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
            *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
        )
    ),
    "arithmetic": tuple(
        f"core/ReplaceBinaryOperator_{pair}"
        for pair in (
            *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul"),
            *("BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitOr", "LShift_RShift", "RShift_LShift"),
        )
    ),
    "unary": ("core/ReplaceUnaryOperator_USub_UAdd", "core/ReplaceUnaryOperator_Delete_Not"),
    "condition": ("core/AddNot",),
    "boolean": (
        *("core/ReplaceTrueWithFalse", "core/ReplaceFalseWithTrue"),
        *("core/ReplaceAndWithOr", "core/ReplaceOrWithAnd"),
    ),
    "number": ("core/NumberReplacer",),
    "exception": ("core/ExceptionReplacer",),
    "loop": ("core/ZeroIterationForLoop", "core/ReplaceBreakWithContinue", "core/ReplaceContinueWithBreak"),
}
REMOVED_STATEMENT = "statement"
"""The family of mutants in which a call or an assignment for its effect is replaced by `pass`."""

# Larger numbers are tuned: one more or one less makes no difference that a test should see.
_MAX_NUMBER = 1000
# Cosmic Ray puts a name there that no module defines; this one is never raised.
_UNDEFINED, _NEVER_RAISED = "CosmicRayTestingException", "MemoryError"
_JOINED = re.compile(rf"[\w.]{_NEVER_RAISED}|{_NEVER_RAISED}[\w.]")

Position = tuple[int, int]
"""Line (from 1) and column (from 0)."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module: the given occurrence of what an operator changes, between two positions."""

    path: str
    family: str
    operator: str
    occurrence: int
    start: Position
    end: Position
    digest: str


def mutants(root: Path, path: str, seed: int) -> list[Mutant]:
    """Find the mutants of a module: of each family at most one for each place, which the seed chooses."""
    source = (root / path).read_text(encoding="utf-8")
    tree = ast.parse(source)
    ignored = list(_without_effect(tree))
    by_place: dict[tuple[str, Position], Mutant] = {}
    repeated: dict[str, int] = {}
    for family, operator, occurrence, start, end in (*_by_operators(source), *_statements(tree)):
        if any(first <= start and end <= last for first, last in ignored):
            continue
        code = f"{operator}:{source.splitlines()[start[0] - 1].strip()}:{start[1]}"
        repeated[code] = repeated.get(code, -1) + 1
        digest = blake2b(f"{seed}:{path}:{code}:{repeated[code]}".encode(), digest_size=8).hexdigest()
        mutant = Mutant(path, family, operator, occurrence, start, end, digest)
        known = by_place.setdefault((family, start), mutant)
        if digest < known.digest:
            by_place[family, start] = mutant
    return list(by_place.values())


def sample(found: Iterable[Mutant], size: int) -> list[Mutant]:
    """Draw the mutants with the lowest digests, in the order of their places."""
    drawn = sorted(found, key=lambda mutant: mutant.digest)[:size]
    return sorted(drawn, key=lambda mutant: (mutant.path, mutant.start, mutant.operator))


def mutated(source: str, mutant: Mutant) -> str | None:
    """Return the changed source; None if the change is none, or is no Python."""
    if mutant.family == REMOVED_STATEMENT:
        changed = _replaced(source, mutant)
    else:
        try:
            changed = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence) or source
        except AttributeError:
            # Cosmic Ray cannot replace an exception that is named with its module, such as `binascii.Error`.
            return None
    changed = changed.replace(_UNDEFINED, _NEVER_RAISED)
    try:
        same = ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source))
    except SyntaxError:
        return None
    return None if same or _JOINED.search(changed) else changed


def code(source: str) -> str:
    """Return a text that is the same for sources that differ only in layout, comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Module)):
            node.body = [one for one in node.body if not _is_docstring(one)]
    return ast.dump(tree)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _replaced(source: str, mutant: Mutant) -> str:
    """Write `pass` in the place of a statement."""
    lines = source.encode().splitlines(keepends=True)
    (first, start), (last, end) = mutant.start, mutant.end
    left, right = lines[first - 1][:start], lines[last - 1][end:]
    return b"".join([*lines[: first - 1], left + b"pass" + right, *lines[last:]]).decode()


def _by_operators(source: str) -> Iterator[tuple[str, str, int, Position, Position]]:
    """Find what the operators of Cosmic Ray can change."""
    nodes = list(ast_nodes(get_ast(source)))
    for family, operators in OPERATORS.items():
        for operator in operators:
            made = get_operator(operator)()
            places = [place for node in nodes for place in made.mutation_positions(node)]
            yield from ((family, operator, occurrence, *place) for occurrence, place in enumerate(places))


def _statements(tree: ast.Module) -> Iterator[tuple[str, str, int, Position, Position]]:
    """Find the statements in functions that do something: calls, and assignments to what already exists."""
    found = [node for function in ast.walk(tree) if isinstance(function, _FUNCTIONS) for node in ast.walk(function)]
    for occurrence, node in enumerate(dict.fromkeys(node for node in found if _has_effect(node))):
        yield (REMOVED_STATEMENT, "remove", occurrence, *_span(node))


_BUILT_IN_TYPES = ("dict[", "list[", "tuple[", "set[")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _has_effect(node: ast.AST) -> bool:
    """Return whether a node is a statement for its effect; log lines do not count."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom) and not ast.unparse(
            node
        ).startswith("log.")
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    return isinstance(node, ast.AugAssign)


def _without_effect(tree: ast.Module) -> Iterator[tuple[Position, Position]]:
    """Find what says nothing about the tests: annotations, decorators, type aliases, large numbers, the bare `*`.

    Neither does `strict=True`: it asserts that sequences are equally long, and has no effect if they are.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            yield _span(node.annotation)
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield from map(_span, node.decorator_list)
            if not isinstance(node, ast.ClassDef) and node.returns:
                yield _span(node.returns)
            if not isinstance(node, ast.ClassDef) and node.args.kwonlyargs:
                yield _star(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value > _MAX_NUMBER:
            yield _span(node)
        elif isinstance(node, ast.keyword) and node.arg == "strict" and ast.unparse(node.value) == "True":
            yield _span(node.value)
    yield from (_span(node) for node in tree.body if isinstance(node, ast.Assign) and _is_type(node.value))


def _star(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[Position, Position]:
    """Return the span between positional and keyword-only parameters, whose `*` is no multiplication."""
    before = [*function.args.posonlyargs, *function.args.args, *function.args.defaults]
    start = max((_span(one)[1] for one in before), default=_span(function)[0])
    return start, _span(function.args.kwonlyargs[0])[0]


def _is_type(value: ast.expr) -> bool:
    """Return whether an assignment at the top of a module makes a type alias."""
    text = ast.unparse(value)
    return isinstance(value, ast.Subscript | ast.BinOp) and (text[0].isupper() or text.startswith(_BUILT_IN_TYPES))


def _span(node: ast.expr | ast.stmt | ast.arg) -> tuple[Position, Position]:
    """Return where a node starts and ends."""
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
