"""Matches names with patterns as in the engines' requests: `*` matches any characters, and is the only wildcard."""

from __future__ import annotations

WILDCARD = "*"


def matches(name: str, pattern: str) -> bool:
    """Return whether a name matches a pattern, in time linear in the length of the name and of the pattern."""
    start = pattern.find(WILDCARD)
    if start < 0:
        return name == pattern
    last = pattern.rfind(WILDCARD)
    end = len(name) - (len(pattern) - last - 1)
    if end < start or not name.startswith(pattern[:start]) or not name.endswith(pattern[last + 1 :]):
        return False
    # Each part between two wildcards is found as early as possible.
    at = start
    while start < last:
        following = pattern.find(WILDCARD, start + 1)
        part = pattern[start + 1 : following]
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
        start = following
    return True
