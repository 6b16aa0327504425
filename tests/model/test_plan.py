from __future__ import annotations

from dataclasses import replace

from es_rerank.model import IndexInfo
from tests.search.builders import a_plan


def test_a_plan_is_the_same_for_any_mapping_and_does_not_show_it() -> None:
    info = IndexInfo(("docs",), {"secret_field": "text"})
    assert replace(a_plan(), info=info) == a_plan()
    assert "secret_field" not in repr(replace(a_plan(), info=info))
