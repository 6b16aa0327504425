"""Types of settings and rules; test_settings.py and test_rules.py test the validation."""

from __future__ import annotations

import pytest

from es_rerank.config.types import duration_text, lifetime, policy_spec, seconds
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


@pytest.mark.parametrize("text", ["3ms", "1.5ms", "500ms", "3s", "90s", "10m"])
def test_a_duration_is_shown_as_it_can_be_written(text: str) -> None:
    assert duration_text(seconds(text)) == text


@pytest.mark.parametrize(("text", "shown"), [("86400s", "1d"), ("12h", "12h"), ("7d", "7d"), ("90m", "90m")])
def test_a_long_duration_is_shown_in_its_largest_unit(text: str, shown: str) -> None:
    assert duration_text(lifetime(text)) == shown
