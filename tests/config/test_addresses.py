"""Addresses of settings; test_settings.py tests the validation."""

from __future__ import annotations

import pytest

from es_rerank.config.addresses import host_and_port, same_place


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:9280", ("127.0.0.1", 9280)), ("[::1]:80", ("::1", 80)), ("a:0", ("a", 0))]
)
def test_an_address_is_split_into_host_and_port(address: str, expected: tuple[str, int]) -> None:
    assert host_and_port(address) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a:1", "b:1", True),
        ("a:1", "a:2", False),
        ("a:0", "a:0", False),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
        ("a:1", "unix:/a", False),
        ("unix:/a", "a:1", False),
    ],
)
def test_addresses_with_the_same_port_or_path_are_the_same(first: str, second: str, expected: bool) -> None:
    assert same_place(first, second) is expected
