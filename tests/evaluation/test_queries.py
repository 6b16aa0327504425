from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.evaluation.queries import read_queries
from es_rerank.evaluation.source import InputError
from es_rerank.evaluation.values import Query

TOPICS = """<top>
<num> Number: 301
<title> International Organized Crime
<desc> Description:
Identify organizations &amp; groups.
</top>

<top>
<num>302
<title>Poliomyelitis and Post-Polio
</top>
"""
XML = """<?xml version="1.0"?>
<topics><topic number="1"><query>coronavirus origin</query><question>what is the origin</question></topic></topics>
"""


def reading(tmp_path: Path, text: str) -> list[Query]:
    (tmp_path / "queries").write_text(text, encoding="utf-8")
    return read_queries(tmp_path / "queries")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '{"_id": "1", "text": " café ", "lang": "fr", "metadata": {"kind": "short", "n": 2}, "tags": []}\n\n'
            '{"_id": 2, "text": "tea", "new": true}\n',
            [Query("1", "café", {"lang": "fr", "kind": "short", "n": "2"}), Query("2", "tea", {"new": "true"})],
            id="BEIR",
        ),
        pytest.param(
            '{"queryText": "red dress"}\n{"queryText": "tv"}\n',
            [Query("red dress", "red dress"), Query("tv", "tv")],
            id="query set of the workbench",
        ),
        pytest.param(
            TOPICS,
            [
                Query(
                    "301", "International Organized Crime", {"desc": "Description: Identify organizations & groups."}
                ),
                Query("302", "Poliomyelitis and Post-Polio"),
            ],
            id="TREC",
        ),
        pytest.param(XML, [Query("1", "coronavirus origin", {"question": "what is the origin"})], id="TREC as XML"),
        pytest.param(
            'qid,query,lang\n7,"a, b",en\n8,c,de\n',
            [Query("7", "a, b", {"lang": "en"}), Query("8", "c", {"lang": "de"})],
            id="CSV",
        ),
        pytest.param("Query\nred dress\ntv\n", [Query("red dress", "red dress"), Query("tv", "tv")], id="CSV, no id"),
        pytest.param("1\twhat is bm25\n2\tpolio\n", [Query("1", "what is bm25"), Query("2", "polio")], id="TSV"),
        pytest.param("id\ttext\n1\tbm25\n", [Query("1", "bm25")], id="TSV with a header"),
    ],
)
def test_formats(tmp_path: Path, text: str, expected: list[Query]) -> None:
    assert reading(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}', "queries:2: id: '1' is used by an earlier query"),
        ('{"_id": "1", "text": " "}', "queries:1: text: is empty"),
        ('{"_id": "1"}', "queries:1: text: is missing"),
        ('{"_id": "1", "text": ["a"]}', "queries:1: text: is missing"),
        ('{"_id": "1", "text": "a"}\n{', "queries:2: not valid JSON"),
        ("id,words\n1,a\n", "queries:1: has no column for the query text"),
        ("id,text\n1,a,b\n", "queries:2: has 3 columns; the header has 2"),
        ("id,text\n1,\n", "queries:2: text: is empty"),
        ("id,text\n", "queries: has no queries"),
        ("<topics></topics>", "queries: has no queries"),
        ("<top>\n<title>a</top>", "queries:1: num: is missing"),
        ("<x/>\n<top><num>1</top>", "queries:2: text: is empty"),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        reading(tmp_path, text)
    assert message in str(error.value)
