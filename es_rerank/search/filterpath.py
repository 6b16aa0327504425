"""Cuts an answer to what `filter_path` names, as the engine would have: what is kept stays the bytes it was.

The engine is asked without it, for it would cut away what is needed to reorder hits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from es_rerank.model import Search
from es_rerank.search.envelope import elements, members

Path = tuple[str, ...]

_ANY_DEPTH = "**"


def paths(search: Search) -> tuple[Path, ...]:
    """Read `filter_path`: names with `*` joined by dots, `**` for any depth, a comma between several."""
    given = search.params.get("filter_path", "").split(",")
    return tuple(tuple(one.strip().split(".")) for one in given if one.strip())


def readable(search: Search) -> bool:
    """Tell whether the cut can be made here: not with exclusions, nor in an answer indented by the engine."""
    indented = search.params.get("pretty", "false") != "false"
    return not indented and not any(path[0].startswith("-") for path in paths(search))


def cut(body: bytes, wanted: Sequence[Path]) -> bytes:
    """Keep what the paths name; an empty object if that is nothing. No paths keep everything."""
    return (_kept(body.strip(), wanted) or b"{}") if wanted else body


def _kept(text: bytes, wanted: Sequence[Path]) -> bytes | None:
    """Cut one value; None if nothing of it is wanted."""
    if text.startswith(b"["):
        parts = [one for raw in elements(text) if (one := _kept(raw, wanted)) is not None]
        return b"[" + b",".join(parts) + b"]" if parts else None
    if not text.startswith(b"{"):
        return None
    parts = []
    for name, span in members(text).items():
        rest = list(_below(name, wanted))
        kept = span.of(text) if () in rest else _kept(span.of(text), rest) if rest else None
        if kept is not None:
            parts.append(text[span.key : span.start] + kept)
    return b"{" + b",".join(parts) + b"}" if parts else None


def _below(name: str, wanted: Sequence[Path]) -> Iterator[Path]:
    """Give what the paths ask for below a member; an empty path asks for the whole of it."""
    for path in wanted:
        first, rest = path[0], path[1:]
        if first != _ANY_DEPTH:
            if fnmatchcase(name, first):
                yield rest
            continue
        yield path if rest else ()
        if rest:
            yield from _below(name, [rest])
