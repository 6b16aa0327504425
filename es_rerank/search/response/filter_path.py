"""Applies `filter_path` to a response as the engine would; all bytes that are kept are unchanged.

The engine is called without the client's filter, which would remove parts that are needed to rerank hits. Whitespace is
kept with each value. In an indented response, indentation depends only on depth, so the result is indented correctly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from es_rerank.jsonspan import Span, check_depth, elements, members
from es_rerank.search.wildcards import matches

# Member names, starting at the root. `*` in a name matches any characters; the name `**` matches one or more levels.
Path = tuple[str, ...]
Paths = frozenset[Path]

_WHOLE: Path = ()
_ANY_DEPTH = "**"
# The engines trim these characters, but no whitespace outside ASCII.
_BLANK = "".join(map(chr, range(0x21)))
_DOT = re.compile(r"(?<!\\)\.")
# Maximum number of comparisons of a name with a path, each of which takes less than a microsecond.
_MAX_COMPARISONS = 50_000
_EMPTY = re.compile(rb"\{\s*\}|\[\s*\]")


@dataclass(frozen=True, slots=True)
class Filter:
    """The paths that `filter_path` includes and excludes. A filter without paths is false."""

    included: Paths = frozenset()
    excluded: Paths = frozenset()

    def __bool__(self) -> bool:
        """Return whether the filter changes anything."""
        return bool(self.included or self.excluded)


def paths(params: Mapping[str, str]) -> Filter:
    """Parse `filter_path`: paths separated by commas, where a leading `-` marks an excluded path."""
    given = [one.strip(_BLANK) for one in params.get("filter_path", "").split(",")]
    return Filter(
        frozenset(_path(one) for one in given if one and not one.startswith("-")),
        frozenset(_path(name) for one in given if one.startswith("-") and (name := one[1:].strip(_BLANK))),
    )


def cut(body: bytes, wanted: Filter, *, keeps_empty: bool = True) -> bytes | None:
    """Apply a filter to a response body. A body that is not a JSON object is returned unchanged.

    Args:
        body: The response body.
        wanted: The filter.
        keeps_empty: Whether objects and arrays on an excluded path that were empty before are kept (Elasticsearch 8.19)
            or removed (OpenSearch 3.6).

    Returns:
        The filtered body, or an empty object if nothing is left. None if the body cannot be filtered, because it is
        nested hundreds of levels deep, has a duplicate key, or has too many names for the number of paths.

    """
    root = body.strip()
    if not wanted or not root.startswith(b"{"):
        return body
    steps = _Steps()
    try:
        check_depth(root)
        kept = _included(root, wanted.included, steps) if wanted.included else root
        kept = _remaining(kept, wanted.excluded, steps, keeps_empty=keeps_empty) if kept else None
    except ValueError:
        return None
    before, _, after = body.partition(root)
    return before + (kept or _nothing_of(root)) + after


def keeps(wanted: Filter, path: Path) -> bool:
    """Return whether a filter may keep the value at a path, or a part of it."""
    included, excluded = wanted.included, wanted.excluded
    for name in path:
        included = included if _WHOLE in included else _below(name, included)
        excluded = _below(name, excluded)
        if _WHOLE in excluded:
            return False
    return bool(included or not wanted.included)


def _path(text: str) -> Path:
    """Split a path at its dots; a dot after a backslash is part of the name."""
    return tuple(name.replace("\\.", ".") for name in _DOT.split(text))


def _nothing_of(root: bytes) -> bytes:
    """Return an empty JSON object: `{ }` if the response is indented, as the engines write it, otherwise `{}`."""
    return b"{ }" if root[1:2].isspace() else b"{}"


def _included(text: bytes, wanted: Paths, steps: _Steps) -> bytes | None:
    """Return the parts of a value that the paths include; None if nothing is left."""
    if _WHOLE in wanted:
        return text
    if not wanted or not text.startswith((b"{", b"[")):
        return None
    return _rejoined(text, lambda name, value: _included(value, steps.below(name, wanted), steps))


def _remaining(text: bytes, unwanted: Paths, steps: _Steps, *, keeps_empty: bool) -> bytes | None:
    """Return a value without the parts that the paths exclude; None if nothing is left."""
    if _WHOLE in unwanted:
        return None
    if not unwanted or not text.startswith((b"{", b"[")) or (keeps_empty and _EMPTY.fullmatch(text)):
        return text
    return _rejoined(
        text, lambda name, value: _remaining(value, steps.below(name, unwanted), steps, keeps_empty=keeps_empty)
    )


class _Steps:
    """Matches member names with paths. State: the results so far, because the same names occur in each hit."""

    def __init__(self) -> None:
        """Start without results."""
        self._below: dict[tuple[Paths, str], Paths] = {}
        self._known: dict[Paths, Paths] = {}
        self._comparisons = 0

    def below(self, name: str | None, asked: Paths) -> Paths:
        """Return the rest of each path whose first name matches *name*; all paths for array elements (*name* is None).

        Raises ValueError after too many comparisons.
        """
        if name is None or not asked:
            return asked
        rest = self._below.get((asked, name))
        if rest is None:
            self._comparisons += len(asked)
            if self._comparisons > _MAX_COMPARISONS:
                raise ValueError("too many names and paths")
            rest = _below(name, asked)
            # The same object is found faster, because sets are otherwise compared element by element.
            self._below[asked, name] = rest = self._known.setdefault(rest, rest)
        return rest


def _below(name: str, asked: Paths) -> Paths:
    """Return the rest of each path whose first name matches *name*."""
    return frozenset(path[1:] for path in asked if matches(name, path[0])).union(
        path for path in asked if path[0] == _ANY_DEPTH
    )


def _rejoined(text: bytes, kept_of: Callable[[str | None, bytes], bytes | None]) -> bytes | None:
    """Rebuild an object or array from `kept_of(name, value)` for each value; None if nothing is left."""
    spans = _spans(text)
    ends = [0, *(span.end for _, span in spans)]
    parts = [
        (text[end : span.key], text[span.key : span.start], kept)
        for end, (name, span) in zip(ends, spans, strict=False)
        if (kept := kept_of(name, span.of(text))) is not None
    ]
    if not parts:
        return None
    parts[0] = (text[: spans[0][1].key], *parts[0][1:])
    return b"".join(chain(*parts)) + text[ends[-1] :]


def _spans(text: bytes) -> Sequence[tuple[str | None, Span]]:
    """Return the span of each member of an object, or of each element of an array."""
    if _EMPTY.fullmatch(text):
        return []
    if text.startswith(b"{"):
        return list(members(text).items())
    return [(None, span) for span in elements(text)]
