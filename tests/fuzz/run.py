"""Fuzzes the targets one after the other: `make fuzz`. Each runs in a process of its own, guided by coverage.

An input that breaks a promise, hangs or takes too much memory is kept in tests/cases/fuzz/TARGET/, where the other
tests find it; what only reaches new code is kept in the corpus, a folder that git ignores.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.seeds import FOUND, found, seeds

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / ".fuzz"
_SECONDS_AN_INPUT = 5
_MOST_MEGABYTES = 2048
_MOST_BYTES = 4096
_MOST_SAID = 6000
_STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
_PROGRESS = re.compile(r"^(#\d+\s|INFO: |stat::|0x).*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is tried of one target: so many inputs, or so many seconds (0: no limit) if they are over before."""

    inputs: int
    seconds: int
    recorded: Path | None
    corpus: Path


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; `new` inputs reached code that none before had reached, `fault` says how one failed."""

    inputs: int
    seconds: float
    new: int
    fault: str


def tried(target: str, budget: Budget) -> Result:
    """Fuzz a target in a process of its own."""
    kept = budget.corpus / target
    kept.mkdir(parents=True, exist_ok=True)
    (FOUND / target).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for at, seed in enumerate(seeds(target, budget.recorded)):
            (Path(folder) / str(at)).write_bytes(seed)
        recorded = str(budget.recorded or "")
        options = (
            f"-runs={budget.inputs}",
            f"-max_total_time={budget.seconds}",
            f"-timeout={_SECONDS_AN_INPUT}",
            f"-rss_limit_mb={_MOST_MEGABYTES}",
            f"-max_len={_MOST_BYTES}",
            f"-artifact_prefix={FOUND / target}/",
            "-len_control=0",
            "-print_final_stats=1",
        )
        command = [sys.executable, "-m", "tests.fuzz.run", "--child", target, recorded, *options, str(kept), folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    if not found(target):
        (FOUND / target).rmdir()
    said = done.stdout + done.stderr
    counts = {name: int(count) for name, count in _STATISTIC.findall(said)}
    fault = "" if done.returncode == 0 else f"{_PROGRESS.sub('', said)[-_MOST_SAID:]}\nexit status {done.returncode}\n"
    return Result(
        inputs=counts.get("number_of_executed_units", 0),
        seconds=time.monotonic() - began,
        new=counts.get("new_units_added", 0),
        fault=fault,
    )


def child(target: str, recorded: str, options: Sequence[str]) -> None:
    """Be the process that fuzzes; it ends with the budget, or with the first fault."""
    import atheris  # noqa: PLC0415 - a tool of this process alone

    with atheris.instrument_imports(include=["es_rerank"]):
        from tests.fuzz.mutate import Mutator  # noqa: PLC0415 - it imports what is to be instrumented
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    mutator = Mutator(
        seeds(target, Path(recorded) if recorded else None), lambda part, _: atheris.Mutate(part, len(part) + 64)
    )

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        changed = mutator(data, Random(seed))
        return changed if len(changed) <= most else changed[:most]

    def kept(data: bytes) -> None:
        try:
            TARGETS[target](data)
        except Exception:
            # The fuzzer writes it too, unless it dies of the same fault.
            (FOUND / target / f"crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}").write_bytes(data)
            raise

    atheris.Setup(["fuzz", *options], kept, custom_mutator=mutated)
    atheris.Fuzz()


def main(arguments: Sequence[str]) -> int:
    """Read the command line, fuzz, and print a line a target."""
    if arguments[:1] == ["--child"]:
        child(arguments[1], arguments[2], arguments[3:])
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - the child instruments what it imports

    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named")
    parser.add_argument("--inputs", type=int, default=100_000, help="inputs a target (default 100000)")
    parser.add_argument("--seconds", type=int, default=0, help="seconds a target at most (default: no limit)")
    parser.add_argument("--recorded", type=Path, help="a folder of recorded requests to start from too")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="what is kept between runs (default .fuzz)")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.targets) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    recorded = asked.recorded and asked.recorded.resolve()
    budget = Budget(asked.inputs, asked.seconds, recorded, asked.corpus.resolve())
    faults = 0
    for target in asked.targets or TARGETS:
        result = tried(target, budget)
        faults += bool(result.fault)
        sys.stdout.write(
            f"{target:10} {result.inputs:9,} inputs {result.seconds:7.0f} s {result.inputs / result.seconds:7.0f}/s"
            f" {result.new:6} new {'FAULT' if result.fault else 'ok'}\n{result.fault}"
        )
        sys.stdout.flush()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
