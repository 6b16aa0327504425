"""Types of settings and rules; test_settings.py and test_rules.py test the validation."""

from __future__ import annotations

import pytest

from es_rerank.config.types import policy_spec
from es_rerank.model import PolicySpec


def test_a_policy_is_split_into_name_and_parameter() -> None:
    assert policy_spec("replace") == PolicySpec("replace")
    assert policy_spec("linear(0.7)") == PolicySpec("linear", 0.7)
    assert [str(policy_spec(text)) for text in ("replace", "blend(0.7)", "rrf(60)")] == [
        "replace",
        "blend(0.7)",
        "rrf(60)",
    ]
    with pytest.raises(ValueError, match="linear"):
        policy_spec("linear(")
