"""Every case that fuzzing has found, and a small budget a target, so that the harness works when it is needed."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.mutate import Mutator, parsed, shaken, walked
from tests.fuzz.seeds import FOUND, found, seeds
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.timeout(120)

_FEW = 300
CASES = [(target, file) for target in TARGETS for file in found(target)]


@pytest.mark.parametrize(("target", "file"), CASES, ids=[f"{target}-{file.name}" for target, file in CASES])
def test_what_was_found_once_is_mended(target: str, file: Path) -> None:
    TARGETS[target](file.read_bytes())


def test_each_folder_of_found_cases_is_of_a_target() -> None:
    assert {folder.name for folder in FOUND.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_promises_hold_for_a_few_odd_inputs(target: str) -> None:
    started = seeds(target)
    for seed in started:
        TARGETS[target](seed)
    for data in walked(started, Mutator(started, shaken), Random(target), _FEW):
        TARGETS[target](data)


def test_most_changed_inputs_are_still_json() -> None:
    """Blind changes alone would test parsers."""
    started = seeds("presented")
    changed = list(walked(started, Mutator(started, shaken), Random(1), _FEW))
    assert len(set(changed)) > _FEW // 2
    assert sum(readable(data) for data in changed) > _FEW // 2


def readable(data: bytes) -> bool:
    try:
        parsed(data)
    except (ValueError, RecursionError):
        return False
    return True
