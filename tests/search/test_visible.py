from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from es_rerank.search.visible import is_hidden, readable_fields, visible_fields
from tests.search.builders import a_search

FIELDS = ("title", "notes.secret", "notes.open", "body")


@pytest.mark.parametrize(
    ("body", "params", "visible"),
    [
        ({}, {}, FIELDS),
        ({"_source": True}, {"_source": "true"}, FIELDS),
        ({"_source": False}, {}, ()),
        ({}, {"_source": "false"}, ()),
        ({"_source": []}, {}, ()),
        ({"_source": "title"}, {}, ("title",)),
        ({"_source": ["title", "notes"]}, {}, ("title", "notes.secret", "notes.open")),
        ({"_source": ["*.open", "b*"]}, {}, ("notes.open", "body")),
        ({"_source": {"excludes": ["notes.secret"]}}, {}, ("title", "notes.open", "body")),
        ({"_source": {"exclude": "notes"}}, {}, ("title", "body")),
        ({"_source": {"includes": ["*"], "excludes": ["*.secret", "body"]}}, {}, ("title", "notes.open")),
        ({}, {"_source_excludes": "notes.*,body"}, ("title",)),
        ({"_source": False}, {"_source_includes": "body"}, ("body",)),
        ({"_source": ["title"]}, {"_source": "body"}, ("body",)),
        ({"_source": False, "fields": ["title", {"field": "notes.o*"}]}, {}, ("title", "notes.open")),
        ({"stored_fields": ["title"]}, {}, ("title",)),
        ({"stored_fields": ["title"], "_source": ["body"]}, {}, ("title", "body")),
        ({"script_fields": {"x": {}}}, {}, ()),
        ({"_source": ["title", 3, ""]}, {}, ("title",)),
        ({"_source": {"includes": ["title", None]}}, {}, ("title",)),
        ({"_source": {}}, {}, FIELDS),
        ({"_source": ""}, {}, FIELDS),
        ({}, {"_source": ""}, FIELDS),
        ({"_source": ["title"]}, {"_source_includes": "body"}, ("body",)),
        ({}, {"_source_include": "title", "_source_exclude": "body"}, ("title",)),
        ({}, {"stored_fields": "title"}, ("title",)),
        ({}, {"stored_fields": "title", "_source": "true"}, FIELDS),
    ],
)
def test_the_fields_that_hits_show(body: dict[str, Any], params: dict[str, str], visible: tuple[str, ...]) -> None:
    assert visible_fields(a_search(body, params), FIELDS) == visible


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("docs", False),
        (".security-7", True),
        (".ds-logs-web-2026.01.31-000001", False),
        (".ds-.logs-2026.01.31-000001", True),
        (".ds-logs", True),
        ("west:.kibana", True),
        ("west:docs", False),
        ("", False),
    ],
)
def test_hidden_indices_have_a_dot_but_backing_indices_of_data_streams_are_not_hidden(name: str, hidden: bool) -> None:
    assert is_hidden(name) == hidden


@pytest.mark.parametrize(
    ("from_template", "expected"),
    [(False, (FIELDS, ("body", "title"))), (True, (("title",), ("title",)))],
)
def test_of_a_template_only_fields_that_its_hits_show_may_be_read(
    from_template: bool, expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    search = replace(a_search({"_source": ["title"]}), from_template=from_template)
    assert readable_fields(search, FIELDS, ("body", "title")) == expected
