"""Every crash case that fuzzing has found, and a small budget per target, so that the harness keeps working."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.mutate import Mutator, parsed, shaken, walked
from tests.fuzz.seeds import FOUND, found, seeds
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.timeout(120)

_INPUTS = 300
CASES = [(target, file) for target in TARGETS for file in found(target)]


@pytest.mark.parametrize(("target", "file"), CASES, ids=[f"{target}-{file.name}" for target, file in CASES])
def test_a_crash_case_stays_fixed(target: str, file: Path) -> None:
    TARGETS[target](file.read_bytes())


def test_each_folder_of_crash_cases_belongs_to_a_target() -> None:
    assert {folder.name for folder in FOUND.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_invariants_hold_for_mutated_seeds(target: str) -> None:
    started = seeds(target)
    for seed in started:
        TARGETS[target](seed)
    for data in walked(started, Mutator(started, shaken), Random(target), _INPUTS):
        TARGETS[target](data)


def test_most_mutated_inputs_are_still_json() -> None:
    """Blind mutations alone would only test parsers."""
    started = seeds("presented")
    changed = list(walked(started, Mutator(started, shaken), Random(1), _INPUTS))
    assert len(set(changed)) > _INPUTS // 2
    assert sum(readable(data) for data in changed) > _INPUTS // 2


def readable(data: bytes) -> bool:
    try:
        parsed(data)
    except (ValueError, RecursionError):
        return False
    return True
