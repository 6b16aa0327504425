from __future__ import annotations

from typing import get_args

from es_rerank.config.rule_file import RuleFile
from es_rerank.config.types import LongMode
from es_rerank.model import LongDocumentMode, RuleMode


def test_modes_are_named_as_in_rule_files() -> None:
    assert [mode.value for mode in RuleMode] == list(get_args(RuleFile.model_fields["mode"].annotation))


def test_modes_of_long_documents_are_named_as_in_rule_files() -> None:
    assert {mode.value for mode in LongDocumentMode} == set(get_args(LongMode)) - {"profile"}
