from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Search
from es_rerank.search.filterpath import cut, paths, readable

ANSWER = (
    b'{"took":3,"hits":{"total":{"value":2,"relation":"eq"},"hits":'
    b'[{"_id":"1","_score":1.50,"_source":{"title": "a, b", "n":123456789012345678901234567890}},'
    b'{"_id":"2","_score":1.0,"_source":{"tags":["x"]}}]}}'
)


def wanted(text: str, **params: str) -> Search:
    return Search("docs", {"filter_path": text, **params})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("took", b'{"took":3}'),
        ("hits.hits._id", b'{"hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}'),
        ("hits.hits._source.title", b'{"hits":{"hits":[{"_source":{"title": "a, b"}}]}}'),
        ("hits.hits._s*.n", b'{"hits":{"hits":[{"_source":{"n":123456789012345678901234567890}}]}}'),
        ("**.tags", b'{"hits":{"hits":[{"_source":{"tags":["x"]}}]}}'),
        ("**.value,took", b'{"took":3,"hits":{"total":{"value":2}}}'),
        ("*.total", b'{"hits":{"total":{"value":2,"relation":"eq"}}}'),
        ("took.deeper", b"{}"),
        ("nothing", b"{}"),
        ("a..b,,", b"{}"),
        ("**", ANSWER),
        ("hits,took", ANSWER),
        ("", ANSWER),
        (" , ", ANSWER),
    ],
)
def test_what_is_kept_stays_the_bytes_it_was(path: str, expected: bytes) -> None:
    assert cut(ANSWER, paths(wanted(path))) == expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (wanted("hits.hits"), True),
        (wanted("hits.hits", pretty="false"), True),
        (wanted("hits.hits", pretty=""), False),
        (wanted("hits.hits", pretty="true"), False),
        (wanted("took,-hits.hits"), False),
    ],
)
def test_only_plain_inclusions_are_cut_here(search: Search, expected: bool) -> None:
    assert readable(search) is expected


@given(st.text(alphabet="hitsx_.*,", max_size=12))
def test_any_path_leaves_json(path: str) -> None:
    found = json.loads(cut(ANSWER, paths(wanted(path))))
    assert found.keys() <= json.loads(ANSWER).keys()
