from __future__ import annotations

import pytest

from es_rerank.search.index_names import names_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("docs", ["docs"]),
        (".ds-logs-app-2024.01.31-000002", [".ds-logs-app-2024.01.31-000002", "logs-app"]),
        (".ds-logs-app-000002", [".ds-logs-app-000002", "logs-app"]),
        ("far:.ds-logs-000002", ["far:.ds-logs-000002", "far:logs"]),
        ("ds-logs-000002", ["ds-logs-000002"]),
        ("partial-docs", ["partial-docs", "docs"]),
        ("restored-.ds-logs-000002", ["restored-.ds-logs-000002", ".ds-logs-000002", "logs"]),
        ("shrink-a1b2-docs", ["shrink-a1b2-docs", "docs"]),
        (
            "partial-shrink-a1b2-.ds-logs-2024.01.31-000002",
            [
                "partial-shrink-a1b2-.ds-logs-2024.01.31-000002",
                "shrink-a1b2-.ds-logs-2024.01.31-000002",
                ".ds-logs-2024.01.31-000002",
                "logs",
            ],
        ),
        (
            "downsample-5m-.ds-m-2024.01.31-000002",
            [
                "downsample-5m-.ds-m-2024.01.31-000002",
                ".ds-m-2024.01.31-000002",
                "m",
            ],
        ),
        (
            ".migrated-ds-logs-2024.01.31-000002",
            [".migrated-ds-logs-2024.01.31-000002", "ds-logs-2024.01.31-000002", "logs"],
        ),
        ("reindexed-v8-docs", ["reindexed-v8-docs", "docs"]),
        (".ds-", [".ds-"]),
        (".security-7", [".security-7"]),
        ("", [""]),
    ],
)
def test_an_index_is_known_by_the_names_of_what_it_was_made_from(name: str, expected: list[str]) -> None:
    assert list(names_of(name)) == expected
