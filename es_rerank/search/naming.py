"""Converts the member names of requests: the engines also accept the camelCase names that old clients send."""

from __future__ import annotations

import re

_WORD_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")


def snake_case(name: str) -> str:
    """Convert a member name such as `mustNot` to snake_case; one in snake_case stays the same."""
    return _WORD_BOUNDARY.sub("_", name).lower()
