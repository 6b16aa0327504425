from __future__ import annotations

from typing import Any

import pytest

from es_rerank.search.source_filter import requests_whole_source
from tests.search.builders import a_search


@pytest.mark.parametrize(
    "source",
    [
        True,
        "*",
        ["*"],
        [],
        {},
        {"excludes": []},
        {"includes": []},
        {"includes": ["*"], "excludes": []},
        {"include": "*"},
        {"includes": ["*"], "include": [], "excludes": [], "exclude": None},
    ],
)
def test_a_filter_that_removes_nothing_is_the_whole_source(source: Any) -> None:
    assert requests_whole_source(a_search({"_source": source}))


@pytest.mark.parametrize(
    "source",
    [False, None, "title", ["title"], ["*", "title"], {"excludes": ["body"]}, {"includes": ["t*"]}, {"x": []}, 3],
)
def test_any_other_filter_is_not(source: Any) -> None:
    assert not requests_whole_source(a_search({"_source": source}))


def test_without_a_filter_the_source_is_not_requested_explicitly() -> None:
    assert not requests_whole_source(a_search({"stored_fields": ["title"]}))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"_source": "true"}, True),
        ({"_source": "*"}, True),
        ({"_source_includes": "*"}, True),
        ({"_source": "true", "_source_include": "*"}, True),
        ({"_source": "false"}, False),
        ({"_source": "title"}, False),
        ({"_source": ""}, False),
        ({"_source_includes": "*,title"}, False),
        ({"_source": "true", "_source_excludes": "body"}, False),
    ],
)
def test_the_url_replaces_the_filter_of_the_body(params: dict[str, str], expected: bool) -> None:
    assert requests_whole_source(a_search({"_source": not expected}, params)) is expected
