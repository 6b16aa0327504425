"""Matches names with patterns as in the engines' requests: `*` matches any characters, and is the only wildcard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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


class SearchedNames:
    """The fields that a search names, by name or by pattern; `wildcards` is the number of different patterns."""

    def __init__(self, names: Iterable[str]) -> None:
        """Collect the names and patterns."""
        named = set(names)
        self._patterns = [name for name in named if WILDCARD in name]
        self._exact = named.union(*map(_parents, named))
        self.wildcards = len(self._patterns)

    def __contains__(self, name: str) -> bool:
        """Return whether a field or one of its multi-fields is named."""
        return name in self._exact or any(matches(name, pattern) for pattern in self._patterns)


def _parents(name: str) -> Iterator[str]:
    """Yield the dotted prefixes of a name."""
    at = name.find(".")
    while at >= 0:
        yield name[:at]
        at = name.find(".", at + 1)
