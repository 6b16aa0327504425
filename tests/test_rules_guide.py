"""The rules of docs/rules.md fit the documents that they are for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.model import Rule
from es_rerank.search.passages import passages
from tests import docs
from tests.search.mappings import CASES, MappingCase, leaves

TEXT = (docs.ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- case: (\w+) -->.*?```yaml\n(.*?)```", TEXT, re.DOTALL))
FIELDS = re.compile(r"\{([^}]+)\}")


def rule(text: str, folder: Path) -> Rule:
    """Read a rule as es-rerank does."""
    (folder / "example.yaml").write_text(text, encoding="utf-8")
    (found,) = Rules(Settings.model_validate({"mappings": folder}))
    return found


def test_each_kind_of_documents_has_a_rule() -> None:
    assert sorted(EXAMPLES) == sorted(case.name for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rule_reads_fields_of_the_documents(case: MappingCase, tmp_path: Path) -> None:
    example = rule(EXAMPLES[case.name], tmp_path)
    existing = {name for document in case.documents for name in leaves(document)}
    assert set(example.fields) <= existing
    assert set(FIELDS.findall(example.template or "")) <= set(example.fields)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_document_has_a_passage_with_its_headline(case: MappingCase, tmp_path: Path) -> None:
    example = rule(EXAMPLES[case.name], tmp_path)
    texts = passages([(document, {}) for document in case.documents], example, example.fields)
    assert all(texts)
    assert len(set(texts)) == len(texts)


def test_the_last_example_excludes_indices(tmp_path: Path) -> None:
    last = TEXT.rpartition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(last)["mode"] == "off"
    assert rule(last, tmp_path).patterns == ("internal-*", "metrics-*")
