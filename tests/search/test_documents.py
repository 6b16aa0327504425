from __future__ import annotations

from typing import Any

import pytest

from es_rerank.model import HitKey
from es_rerank.search.documents import documents_query


def in_index(index: str, *ids: str) -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": list(ids)}}]}}


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([("a", "1")], in_index("a", "1")),
        ([("a", "2"), ("a", "1")], in_index("a", "2", "1")),
        (
            [("a", "1"), ("b", "1"), ("a", "2")],
            {"bool": {"should": [in_index("a", "1", "2"), in_index("b", "1")]}},
        ),
    ],
)
def test_each_id_is_matched_together_with_its_index(hits: list[HitKey], expected: dict[str, Any]) -> None:
    assert documents_query(hits) == expected
