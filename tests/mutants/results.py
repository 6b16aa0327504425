"""Results of mutants: stored between runs, compared with known equivalents, and reported as a table."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

import yaml

from tests.mutants.scope import package_of
from tests.mutants.workers import Status

EQUIVALENT = Path(__file__).parent / "equivalent.yaml"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one mutant.

    Attributes:
        key: Digest of the mutant and of the module that it changes.
        tests: Digest of all tests at that time: a mutant that survived is tried again when they have changed.
        old: The changed lines as they are in the module, without indentation.
        new: The same lines in the mutant.
        seconds: How long its tests took.

    """

    key: str
    tests: str
    path: str
    line: int
    old: str
    new: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that behaves like the original, and the reason why."""

    path: str
    old: str
    new: str
    reason: str


class Store:
    """The results of earlier runs, one JSON object a line."""

    def __init__(self, file: Path, tests: str) -> None:
        """Read the results in *file*; *tests* is the digest of the tests as they are now."""
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        known = [Result(**json.loads(line)) for line in lines]
        self._known = {one.key: one for one in known if one.status != Status.SURVIVED or one.tests == tests}

    def get(self, key: str) -> Result | None:
        """Return the stored result of a mutant, if it is still valid."""
        return self._known.get(key)

    def add(self, result: Result) -> None:
        """Keep a result."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")


def equivalents(file: Path = EQUIVALENT) -> list[Equivalent]:
    """Read the known equivalent mutants."""
    return [Equivalent(**one) for one in yaml.safe_load(file.read_text(encoding="utf-8")) or []]


def digest_of_tests(root: Path) -> str:
    """Return a digest of all files of the tests."""
    digest = blake2b(digest_size=8)
    for path in sorted((root / "tests").rglob("*")):
        inside = path.relative_to(root)
        if path.is_file() and "__pycache__" not in inside.parts and "mutants" not in inside.parts:
            digest.update(str(inside).encode() + path.read_bytes())
    return digest.hexdigest()


def changed_lines(source: str, changed: str) -> tuple[int, str, str]:
    """Return the number of the first line that differs, and the differing lines of both, stripped."""
    before, after = source.splitlines(), changed.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    spans = [span for span in matcher.get_opcodes() if span[0] != "equal"]
    first, last = spans[0], spans[-1]
    old, new = before[first[1] : last[2]], after[first[3] : last[4]]
    return first[1] + 1, _joined(old), _joined(new)


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(line.strip() for line in lines)


def table(results: Iterable[Result], known: Sequence[Equivalent]) -> tuple[list[str], float]:
    """Write a row for each package, and return the percentage of mutants that were killed."""
    by_package: dict[str, list[Result]] = defaultdict(list)
    rows = [result for result in results if result.status != Status.INVALID and not _is_known(result, known)]
    for result in rows:
        by_package[package_of(result.path)].append(result)
    lines = [_row(name, by_package[name]) for name in sorted(by_package)]
    return [f"{'package':32} killed / total", *lines, _row("all", rows)], _percent(rows)


def survivors(results: Iterable[Result], known: Sequence[Equivalent]) -> Iterator[str]:
    """List each mutant that survived: file, line and difference."""
    for result in results:
        if result.status == Status.SURVIVED and not _is_known(result, known):
            yield f"{result.path}:{result.line}"
            yield from (f"  - {line}" for line in result.old.splitlines())
            yield from (f"  + {line}" for line in result.new.splitlines())


def counts(results: Sequence[Result], known: Sequence[Equivalent]) -> Mapping[str, int]:
    """Count the mutants that are in no row of the table."""
    return {
        "equivalent": sum(result.status == Status.SURVIVED and _is_known(result, known) for result in results),
        "invalid": sum(result.status == Status.INVALID for result in results),
    }


def _is_known(result: Result, known: Sequence[Equivalent]) -> bool:
    return any((one.path, one.old, one.new) == (result.path, result.old, result.new) for one in known)


def _row(name: str, rows: Sequence[Result]) -> str:
    killed = sum(result.status == Status.KILLED for result in rows)
    return f"{name:32} {killed:6} / {len(rows):<5} {_percent(rows):5.1f} %"


def _percent(rows: Sequence[Result]) -> float:
    killed = sum(result.status == Status.KILLED for result in rows)
    return 100 * killed / len(rows) if rows else 100.0
