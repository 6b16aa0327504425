from __future__ import annotations

import pytest

from es_rerank.rerank.known_pairs import PAIRS, pairs_for, verdict
from es_rerank.rerank.profiles import PROFILES


@pytest.mark.parametrize(
    ("margins", "words"),
    [
        ([0.9, 0.5], None),
        ([0.001, 0.2], None),
        ([0.9, -0.1], "1 of 2 known pairs are in the wrong order"),
        ([0.0, 0.0], "2 of 2 known pairs are in the wrong order"),
        ([0.001, 0.002], "only 0.002 apart"),
        ([0.06, 0.04], None),
        ([0.05, 0.0499], "only 0.050 apart (at least 0.05)"),
    ],
)
def test_verdict(margins: list[float], words: str | None) -> None:
    found = verdict(margins)
    assert found is None if words is None else words in str(found)


def test_a_model_is_tested_in_its_languages() -> None:
    assert pairs_for(PROFILES["bge-reranker"]) == list(PAIRS)
    assert {pair.language for pair in pairs_for(PROFILES["minilm"])} == {"en"}


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_tested_with_two_pairs(name: str) -> None:
    assert len(pairs_for(PROFILES[name])) >= 2
