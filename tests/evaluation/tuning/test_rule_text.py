from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.rule_text import current_keys, rule_text
from es_rerank.evaluation.tuning.selection import Verdict
from es_rerank.evaluation.tuning.values import PassageVariant
from es_rerank.model import (
    LongDocumentMode,
    LongDocuments,
    LowHits,
    MinProbability,
    PolicySpec,
    Protection,
    Rule,
    RuleMode,
)

PLAIN = PassageVariant("as now", (), None, LongDocuments())
FULL = PassageVariant(
    "all", ("title", "body"), "title: {title}\n{body}\n", LongDocuments(LongDocumentMode.TRUNCATE, 64, 600)
)
CANDIDATE = Candidate((0, 20), PolicySpec("blend", 0.4))
EVERYTHING = Candidate((0, 20), PolicySpec("rrf", 60.0), Protection(2.0, 0.25), MinProbability(0.05, LowHits.LAST))


def written(text: str, folder: Path) -> Rule:
    (folder / "docs.yaml").write_text(text, encoding="utf-8")
    (rule,) = Rules(Settings(mappings=folder))
    return rule


@pytest.mark.parametrize(("candidate", "variant"), [(CANDIDATE, PLAIN), (EVERYTHING, FULL)])
def test_the_file_is_the_rule_of_the_candidate(tmp_path: Path, candidate: Candidate, variant: PassageVariant) -> None:
    keys: dict[str, Any] = {
        "index": ["docs"],
        "deadline": "500ms",
        "max_search_tokens": 600,
        "window": 9,
        "policy": "keep",
    }
    rule = written(rule_text(keys, Verdict.TUNED, (candidate, variant), ["why"]), tmp_path)
    assert rule == candidate.rule(
        Rule("docs", ("docs",), deadline=0.5, long=LongDocuments(max_search_tokens=600)), [variant]
    ) or (variant is PLAIN and rule.window == 20 and rule.deadline == 0.5)
    assert rule.policy == candidate.policy
    assert (rule.protect, rule.min_probability) == (candidate.protect, candidate.minimum)
    assert (rule.fields, rule.template) == (variant.fields, variant.template)


def test_the_mode_of_the_current_rule_is_kept(tmp_path: Path) -> None:
    keys = {"index": "docs", "mode": "sample", "sample_rate": 0.5}
    rule = written(rule_text(keys, Verdict.TUNED, (CANDIDATE, PLAIN), []), tmp_path)
    assert (rule.mode, rule.sample_rate, rule.window) == (RuleMode.SAMPLE, 0.5, 20)


def test_no_proposal_turns_reranking_off(tmp_path: Path) -> None:
    keys = {"index": "docs", "mode": "sample", "sample_rate": 0.5, "window": 30}
    rule = written(rule_text(keys, Verdict.OFF, (CANDIDATE, PLAIN), []), tmp_path)
    assert (rule.mode, rule.window) == (RuleMode.OFF, 30)


def test_a_current_rule_that_is_better_is_kept(tmp_path: Path) -> None:
    keys = {"index": "docs", "window": 30, "policy": "replace"}
    assert yaml.safe_load(rule_text(keys, Verdict.CURRENT, (CANDIDATE, PLAIN), [])) == keys
    assert written(rule_text(keys, Verdict.CURRENT, (CANDIDATE, PLAIN), []), tmp_path).window == 30


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4))
def test_comments_can_have_any_text(comments: list[str]) -> None:
    """Queries can have line breaks, and characters that YAML does not allow."""
    text = rule_text({"index": ["docs"]}, Verdict.TUNED, (CANDIDATE, PLAIN), comments)
    assert yaml.safe_load(text) == {"index": ["docs"], "window": 20, "policy": "blend(0.4)"}
    head = text.partition("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())


def test_the_keys_of_the_current_rule(tmp_path: Path) -> None:
    (tmp_path / "docs.yaml").write_text("index: docs\ndeadline: 1s\n")
    assert current_keys(tmp_path, Rule("docs"), "docs-1") == {"index": "docs", "deadline": "1s"}
    assert current_keys(None, Rule("default"), "docs-1") == {"index": ["docs-1"]}
