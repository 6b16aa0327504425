from __future__ import annotations

from dataclasses import replace

from es_rerank.evaluation.tuning.candidates import Candidate, candidates, current, extended
from es_rerank.model import LongDocuments, MinProbability, PolicySpec, Protection
from es_rerank.search.scoring import POLICIES

from .builders import PLACES, RULE, VARIANTS


def test_the_current_rule_is_a_candidate_that_changes_nothing() -> None:
    rule = replace(RULE, policy=PolicySpec("keep"), protect=Protection(3.0, 0.1), min_probability=MinProbability(0.2))
    assert current(rule).rule(rule, VARIANTS) == rule


def test_each_reading_window_and_policy_is_a_candidate_once() -> None:
    found = candidates(PLACES, RULE)
    assert len(found) == len(set(found))
    assert {one.place for one in found} == set(PLACES)
    assert {one.policy.name for one in found} == POLICIES.keys() - {"probability", "keep"}
    assert current(RULE) in found


def test_extensions_begin_with_no_change() -> None:
    one = Candidate((0, 4), PolicySpec("replace"))
    found = list(extended(one))
    assert found[0] == one
    assert len(found) == len(set(found))
    assert {found.protect for found in found} > {None, Protection(1.5, 0.5)}
    assert {found.minimum for found in found} > {None, MinProbability(0.1)}


def test_a_candidate_is_a_rule_with_its_variant() -> None:
    rule = replace(RULE, fields=("body",), template="{body}", long=LongDocuments(max_passage_tokens=64))
    changed = Candidate((1, 9), PolicySpec("rrf", 60.0)).rule(rule, VARIANTS)
    assert changed == replace(RULE, fields=("title",), window=9, policy=PolicySpec("rrf", 60.0))
