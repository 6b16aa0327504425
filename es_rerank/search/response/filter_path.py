"""Cuts an answer to what `filter_path` leaves of it, as the engine would have: what is kept stays the bytes it was.

The engine is asked without it, for it would cut away what is needed to reorder hits. White space is kept along: that
of an indented answer depends on the depth only, so what is left is indented as the engine would have done it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain

from es_rerank.jsonspan import Span, elements, members

# The names from the root down; `*` in a name is any characters, the name `**` is one level or more.
Path = tuple[str, ...]
Paths = frozenset[Path]

_WHOLE: Path = ()
_ANY_DEPTH = "**"
# The engines trim these, but no blank outside ASCII.
_BLANK = "".join(map(chr, range(0x21)))
_DOT = re.compile(r"(?<!\\)\.")
# The engines know no wildcard but `*`, fnmatch does.
_LITERAL = str.maketrans({"[": "[[]", "?": "[?]"})
_EMPTY = re.compile(rb"\{\s*\}|\[\s*\]")


@dataclass(frozen=True, slots=True)
class Filter:
    """What `filter_path` keeps, and what it takes out of that; false where it asks for nothing."""

    included: Paths = frozenset()
    excluded: Paths = frozenset()

    def __bool__(self) -> bool:
        """Tell whether there is anything to cut."""
        return bool(self.included or self.excluded)


def paths(params: Mapping[str, str]) -> Filter:
    """Read `filter_path` of the URL parameters: paths with a comma between them, `-` before one to take out."""
    given = [one.strip(_BLANK) for one in params.get("filter_path", "").split(",")]
    return Filter(
        frozenset(_path(one) for one in given if one and not one.startswith("-")),
        frozenset(_path(name) for one in given if one.startswith("-") and (name := one[1:].strip(_BLANK))),
    )


def cut(body: bytes, wanted: Filter, *, keeps_empty: bool = True) -> bytes | None:
    """Cut a JSON object to what the filter leaves, an empty object if that is nothing; a body of another kind stays.

    None if it cannot be cut: hundreds of levels deep, or no clean JSON.

    `keeps_empty`: an exclusion leaves the empty arrays and objects that its paths go through (Elasticsearch 8.19 does,
    OpenSearch 3.6 drops them).
    """
    root = body.strip()
    if not wanted or not root.startswith(b"{"):
        return body
    try:
        kept = _included(root, wanted.included) if wanted.included else root
        kept = _remaining(kept, wanted.excluded, keeps_empty) if kept else None
    except (ValueError, RecursionError):
        return None
    before, _, after = body.partition(root)
    return before + (kept or _nothing_of(root)) + after


def _path(text: str) -> Path:
    """Split a path at its dots; a dot after a backslash belongs to the name."""
    return tuple(name.replace("\\.", ".").translate(_LITERAL) for name in _DOT.split(text))


def _nothing_of(root: bytes) -> bytes:
    """Write an empty object as the engine does in an answer like this one."""
    return b"{ }" if root[1:2].isspace() else b"{}"


def _included(text: bytes, wanted: Paths) -> bytes | None:
    """Cut a value to what the paths name; None if that is nothing."""
    if _WHOLE in wanted:
        return text
    if not wanted or not text.startswith((b"{", b"[")):
        return None
    return _rejoined(text, lambda name, value: _included(value, _below(name, wanted)))


def _remaining(text: bytes, unwanted: Paths, keeps_empty: bool) -> bytes | None:
    """Cut what the paths name out of a value; None if that leaves nothing."""
    if _WHOLE in unwanted:
        return None
    if not unwanted or not text.startswith((b"{", b"[")) or (keeps_empty and _EMPTY.fullmatch(text)):
        return text
    return _rejoined(text, lambda name, value: _remaining(value, _below(name, unwanted), keeps_empty))


def _below(name: str | None, asked: Paths) -> Paths:
    """Give what the paths ask for in the member of this name; an element of an array has none."""
    if name is None:
        return asked
    return frozenset(path[1:] for path in asked if fnmatchcase(name, path[0])).union(
        path for path in asked if path[0] == _ANY_DEPTH
    )


def _rejoined(text: bytes, kept_of: Callable[[str | None, bytes], bytes | None]) -> bytes | None:
    """Write an object or array anew, of what `kept_of(name, value)` leaves of each value; None if that is nothing."""
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
    """Find the members of an object, or the elements of an array, relative to *text*."""
    if _EMPTY.fullmatch(text):
        return []
    if text.startswith(b"{"):
        return list(members(text).items())
    return [(None, span) for span in elements(text)]
