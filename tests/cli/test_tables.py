from __future__ import annotations

from es_rerank.cli.tables import table


def test_the_first_column_is_left_aligned_and_the_others_right_aligned() -> None:
    assert list(table(("name", "value"), [("a", "1"), ("longer", "12.5"), ("b", "")])) == [
        "name    value",
        "a           1",
        "longer   12.5",
        "b",
    ]
