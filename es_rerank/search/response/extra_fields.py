"""Removes from hits the fields that es-rerank requested for the model, and that the client did not request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from es_rerank.jsonspan import Edit, Span, element_texts, members, splice
from es_rerank.jsonspan.removal import remove_members


def without_fields(hit: bytes, spans: Mapping[str, Span], names: Sequence[str]) -> list[Edit]:
    """Return the edits that remove members of a hit's `fields`, or `fields` itself if nothing is left.

    Args:
        hit: The JSON text of the hit.
        spans: The spans of the hit's members.
        names: The names of the fields to remove.

    """
    if (span := spans.get("fields")) is None:
        return []
    text = span.of(hit)
    left = _without_names(text, names)
    if left is None:
        return remove_members(spans, {"fields"})
    return [] if left == text else [(span.start, span.end, left)]


def _without_names(text: bytes, names: Sequence[str]) -> bytes | None:
    """Return an object without the fields *names*; None if nothing is left. Any other value is returned unchanged."""
    try:
        inner = members(text) if text.startswith(b"{") else {}
    except ValueError:
        return text
    left = {name: _left(name, span.of(text), names) for name, span in inner.items()}
    if inner and not any(value is not None for value in left.values()):
        return None
    edits = remove_members(inner, {name for name, value in left.items() if value is None})
    edits += [(inner[name].start, inner[name].end, value) for name, value in left.items() if value is not None]
    return splice(text, edits)


def _left(name: str, value: bytes, names: Sequence[str]) -> bytes | None:
    """Return the value of a member without the nested fields to remove; None if the whole member must be removed.

    Elasticsearch returns `comments.text` as `{"comments": [{"text": [...]}]}`.
    """
    if name in names:
        return None
    below = [other.removeprefix(f"{name}.") for other in names if other.startswith(f"{name}.")]
    if not below or not value.startswith(b"["):
        return value
    old = element_texts(value)
    new = [element for element in (_without_names(raw, below) for raw in old) if element is not None]
    if new == old:
        return value
    return b"[" + b",".join(new) + b"]" if new else None
