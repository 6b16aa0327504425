from __future__ import annotations

from es_rerank.model import Why


def test_reasons_are_lower_case_words() -> None:
    assert all(why.value == why.name.lower() and why.value.replace("_", "").isalpha() for why in Why)
