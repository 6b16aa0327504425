"""A small index with all common field types: nested comments, keywords, numbers, dates, and texts in many scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INDEX = "books"

MAPPINGS: Mapping[str, Any] = {
    "properties": {
        "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "body": {"type": "text"},
        "tag": {"type": "keyword"},
        "year": {"type": "integer"},
        "price": {"type": "double"},
        "when": {"type": "date"},
        "shelf": {"properties": {"room": {"type": "keyword"}, "note": {"type": "text"}}},
        "comments": {"type": "nested", "properties": {"who": {"type": "keyword"}, "said": {"type": "text"}}},
        "big": {"type": "keyword"},
    }
}

_TITLES = (
    "The river and the mill",
    "A river in winter",
    "Boats of the old river",
    "Mill work by the river",
    "The quiet harbour",
    "River, river, river",
    "Stones",
    "Der Fluss im Winter / river",
    "河流 river 与磨坊",
    "نهر river",
    "The miller's daughter by the long slow river",
    'A <b>river</b> & "its" bridges \\ locks',
)


def _book(row: int, title: str) -> dict[str, Any]:
    return {
        "title": title,
        "body": f"Chapter {row}. " + "The river runs past the mill. " * (row % 5) + "A boat waits. " * (row % 3),
        "tag": ["water", "mill", "stone"][row % 3],
        "year": 1900 + row * 7 % 30,
        "price": row * 1.1,
        "when": f"2024-01-{row + 1:02}T00:00:00Z",
        "shelf": {"room": f"r{row % 2}", "note": "near the river window"},
        "comments": [{"who": "ann", "said": "a fine river book"}, {"who": "bob", "said": f"mill {row}"}][: row % 3],
        "big": "123456789012345678901234567890",
        "emoji": "\U0001f6a3 é \u2028",
    }


DOCUMENTS = {f"b{at}": _book(at, title) for at, title in enumerate(_TITLES)}
