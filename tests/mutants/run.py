"""Mutation test of the pure packages and the handlers: `make mutants`.

A sample of small changes is drawn with a seed; each is put into a temporary copy of the tree and must make a test fail:
first the tests that mirror the changed module, then the end-to-end tests. If tests with deadlines fail, they are run
again, and only the second failure counts, because they may also fail on a busy machine. Results are kept in .mutants,
so that an interrupted run can be resumed, and only survivors are tried again when tests have changed. Known equivalent
mutants, with the reason, are in tests/mutants/equivalent.yaml.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutants import Mutant, code, mutants, mutated, sample
from tests.mutants.results import (
    Result,
    Store,
    changed_lines,
    counts,
    digest_of_tests,
    equivalents,
    survivors,
    table,
)
from tests.mutants.scope import END_TO_END, mirror, modules
from tests.mutants.workers import BrokenTestsError, Worker, default_python

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / ".mutants"


class Trial:
    """Tries mutants with a few workers, and keeps the results."""

    def __init__(self, workers: Sequence[Worker], store: Store, tests: str, end_to_end: Sequence[str]) -> None:
        """Try with *workers*; *tests* is the digest of the tests."""
        self._store = store
        self._end_to_end = end_to_end
        self._tests = tests
        self._workers = workers
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            self._free.put(worker)

    def run(self, drawn: Sequence[Mutant], report: Callable[[Result], None]) -> list[Result]:
        """Try all mutants, and report each as soon as its result is known. Raises BrokenTestsError."""
        results = []
        with ThreadPoolExecutor(len(self._workers)) as pool:
            pending = [pool.submit(self._try, mutant) for mutant in drawn]
            try:
                for done in as_completed(pending):
                    result = done.result()
                    if result is not None:
                        results.append(result)
                        report(result)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return sorted(results, key=lambda result: (result.path, result.line, result.new))

    def _try(self, mutant: Mutant) -> Result | None:
        """Try one mutant, unless an earlier run has; None if it is no change at all."""
        source = (ROOT / mutant.path).read_text(encoding="utf-8")
        changed = mutated(source, mutant)
        if changed is None:
            return None
        key = blake2b(f"{mutant.path}:{code(source)}:{code(changed)}".encode(), digest_size=12).hexdigest()
        line, old, new = changed_lines(source, changed)
        known = self._store.get(key)
        if known:
            return replace(known, line=line)
        worker = self._free.get()
        try:
            started = time.monotonic()
            status = worker.judge(mutant.path, changed, [mirror(ROOT, mutant.path), self._end_to_end])
            seconds = time.monotonic() - started
        finally:
            self._free.put(worker)
        result = Result(key, self._tests, mutant.path, line, old, new, status, round(seconds, 1))
        self._store.add(result)
        return result


@contextmanager
def running(python: Path, count: int, deselected: Sequence[str]) -> Iterator[list[Worker]]:
    """Make workers, each with a copy of the tree."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        limits: dict[tuple[str, ...], float] = {}
        workers = [Worker(Path(folder, str(number)), python, deselected, limits) for number in range(count)]
        for worker in workers:
            worker.root.mkdir()
            worker.prepare(ROOT)
        yield workers


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="paths that contain one of these texts (default: all in scope)")
    parser.add_argument("--budget", type=int, default=300, help="mutants to try (default 300)")
    parser.add_argument("--seed", type=int, default=1, help="which mutants are drawn (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default 2)")
    parser.add_argument("--fail-under", type=float, default=95.0, help="percentage that must be killed (default 95)")
    parser.add_argument("--deselect", action="append", default=[], help="a test to leave out, as pytest names it")
    parser.add_argument("--mirror-only", action="store_true", help="leave out end-to-end tests: faster")
    parser.add_argument("--python", type=Path, default=default_python(ROOT), help="Python that runs the tests")
    return parser.parse_args(arguments)


def drawn(options: argparse.Namespace) -> list[Mutant]:
    """Draw the sample of the modules that are named."""
    paths = [path for path in modules(ROOT) if not options.modules or any(part in path for part in options.modules)]
    return sample((mutant for path in paths for mutant in mutants(ROOT, path, options.seed)), options.budget)


def show(lines: Iterable[str]) -> None:
    """Print lines at once."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Try a sample of mutants; the exit status is 1 if too few are killed, and 2 if the tests fail without any."""
    options = parse(arguments)
    chosen = drawn(options)
    tests = digest_of_tests(ROOT) + (" mirror only" if options.mirror_only else "")
    store = Store(KEPT / "results.jsonl", tests)
    show([f"{len(chosen)} mutants, seed {options.seed}, {options.jobs} at a time"])
    try:
        # A worker's Python is not resolved: the link is what makes it one of a virtual environment.
        with running(options.python.absolute(), options.jobs, options.deselect) as workers:
            end_to_end = () if options.mirror_only else END_TO_END
            results = Trial(workers, store, tests, end_to_end).run(chosen, lambda one: show([_line(one)]))
    except BrokenTestsError as error:
        show([str(error)])
        return 2
    known = equivalents()
    rows, percent = table(results, known)
    left_out = ", ".join(f"{count} {name}" for name, count in counts(results, known).items())
    show(["", *rows, f"not counted: {left_out}", "", "survivors:", *survivors(results, known)])
    return int(percent < options.fail_under)


def _line(result: Result) -> str:
    return f"{result.status:9} {result.seconds:6.1f} s  {result.path}:{result.line}  {result.new[:80]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
