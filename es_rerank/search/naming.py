"""Converts request member names to snake_case, because the engines also accept camelCase names from old clients."""

from __future__ import annotations

import re

_WORD_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")


def snake_case(name: str) -> str:
    """Convert a member name such as `mustNot` to snake_case; a name in snake_case is unchanged."""
    return _WORD_BOUNDARY.sub("_", name).lower()
