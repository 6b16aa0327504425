"""Types of settings and rules; test_settings.py and test_rules.py cover what is visible through them."""

from __future__ import annotations

import pytest

from es_rerank.config.types import host_and_port, policy_spec
from es_rerank.model import PolicySpec


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:9280", ("127.0.0.1", 9280)), ("[::1]:80", ("::1", 80)), ("a:0", ("a", 0))]
)
def test_host_and_port(address: str, expected: tuple[str, int]) -> None:
    assert host_and_port(address) == expected


def test_policy_spec() -> None:
    assert policy_spec("replace") == PolicySpec("replace")
    assert policy_spec("linear(0.7)") == PolicySpec("linear", 0.7)
    with pytest.raises(ValueError, match="linear"):
        policy_spec("linear(")
