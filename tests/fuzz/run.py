"""Fuzzes the targets one after the other: `make fuzz`. Each runs in its own process, guided by coverage.

An input that violates an invariant, hangs or takes too much memory is written to tests/cases/fuzz/TARGET/, where the
test suite runs it; inputs that reach new code are kept in the corpus, a folder that git ignores.
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
_TIMEOUT_SECONDS = 5
_MAX_MEMORY_MIB = 2048
_MAX_INPUT_BYTES = 4096
_MAX_LOG_CHARACTERS = 6000
_STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
_PROGRESS = re.compile(r"^(#\d+\s|INFO: |stat::|0x).*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of one target: a number of inputs, and a limit in seconds (0: none)."""

    inputs: int
    seconds: int
    recorded: Path | None
    corpus: Path


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one target: inputs run, inputs that reached new code, and the log of a crash."""

    inputs: int
    seconds: float
    new: int
    crash: str


def fuzz(target: str, budget: Budget) -> Result:
    """Fuzz a target in its own process."""
    kept = budget.corpus / target
    kept.mkdir(parents=True, exist_ok=True)
    (FOUND / target).mkdir(parents=True, exist_ok=True)
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for at, seed in enumerate(seeds(target, budget.recorded)):
            (Path(folder) / str(at)).write_bytes(seed)
        recorded = str(budget.recorded or "")
        options = (
            f"-runs={budget.inputs}",
            f"-max_total_time={budget.seconds}",
            f"-timeout={_TIMEOUT_SECONDS}",
            f"-rss_limit_mb={_MAX_MEMORY_MIB}",
            f"-max_len={_MAX_INPUT_BYTES}",
            f"-artifact_prefix={FOUND / target}/",
            "-len_control=0",
            "-print_final_stats=1",
        )
        command = [sys.executable, "-m", "tests.fuzz.run", "--child", target, recorded, *options, str(kept), folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    if not found(target):
        (FOUND / target).rmdir()
    output = done.stdout + done.stderr
    counts = {name: int(count) for name, count in _STATISTIC.findall(output)}
    crash = (
        ""
        if done.returncode == 0
        else f"{_PROGRESS.sub('', output)[-_MAX_LOG_CHARACTERS:]}\nexit status {done.returncode}\n"
    )
    return Result(
        inputs=counts.get("number_of_executed_units", 0),
        seconds=time.monotonic() - started_at,
        new=counts.get("new_units_added", 0),
        crash=crash,
    )


def child(target: str, recorded: str, options: Sequence[str]) -> None:
    """Fuzz in this process, until the budget is used up or an input crashes."""
    import atheris  # noqa: PLC0415 - needed in this process alone

    with atheris.instrument_imports(include=["es_rerank"]):
        from tests.fuzz.mutate import Mutator  # noqa: PLC0415 - imports the code to be instrumented
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    mutator = Mutator(
        seeds(target, Path(recorded) if recorded else None), lambda part, _: atheris.Mutate(part, len(part) + 64)
    )

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        changed = mutator(data, Random(seed))
        return changed if len(changed) <= max_size else changed[:max_size]

    def run_target(data: bytes) -> None:
        try:
            TARGETS[target](data)
        except Exception:
            # The fuzzer writes it too, unless it crashes itself.
            (FOUND / target / f"crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}").write_bytes(data)
            raise

    atheris.Setup(["fuzz", *options], run_target, custom_mutator=mutated)
    atheris.Fuzz()


def main(arguments: Sequence[str]) -> int:
    """Read the command line, fuzz, and print one line per target."""
    if arguments[:1] == ["--child"]:
        child(arguments[1], arguments[2], arguments[3:])
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - the child process instruments its imports

    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--inputs", type=int, default=100_000, help="inputs per target (default 100000)")
    parser.add_argument("--seconds", type=int, default=0, help="time limit per target in seconds (default: none)")
    parser.add_argument("--recorded", type=Path, help="folder of recorded requests to use as more seeds")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="folder of the corpus (default .fuzz)")
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"unknown target: {', '.join(sorted(unknown))}")
    recorded = options.recorded and options.recorded.resolve()
    budget = Budget(options.inputs, options.seconds, recorded, options.corpus.resolve())
    crashes = 0
    for target in options.targets or TARGETS:
        result = fuzz(target, budget)
        crashes += bool(result.crash)
        sys.stdout.write(
            f"{target:10} {result.inputs:9,} inputs {result.seconds:7.0f} s {result.inputs / result.seconds:7.0f}/s"
            f" {result.new:6} new {'CRASH' if result.crash else 'ok'}\n{result.crash}"
        )
        sys.stdout.flush()
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
