"""Edits that remove members of JSON objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from es_rerank.jsonspan import Edit, Span


def remove_members(spans: Mapping[str, Span], names: Collection[str]) -> list[Edit]:
    """Return the edits that remove members and the comma that separates each from its neighbor.

    Args:
        spans: All members of the object, as returned by `members`.
        names: The keys to remove; keys that the object does not have are ignored.

    """
    edits: list[Edit] = []
    ordered = list(spans.items())
    is_first = True
    for position, (name, span) in enumerate(ordered):
        if name not in names:
            is_first = False
        elif not is_first:
            edits.append((ordered[position - 1][1].end, span.end, b""))
        else:
            following = ordered[position + 1][1].key if position + 1 < len(ordered) else span.end
            edits.append((span.key, following, b""))
    return edits
