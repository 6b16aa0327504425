"""The properties of the bundled corpus that the demo relies on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from es_rerank.errors import EsRerankError
from es_rerank_lab.demo import corpus

CORPUS = corpus.load()
DOCUMENTS = {one.id: one for one in CORPUS.documents}


def test_it_is_large_and_multilingual() -> None:
    languages = {one.lang for one in CORPUS.queries}
    assert len(CORPUS.documents) >= 300
    assert len(CORPUS.queries) >= 80
    assert len(languages) >= 8
    assert {"zh", "en", "ja", "ar", "de", "es", "ru", "hi"} <= languages


def test_it_has_five_scenarios() -> None:
    answers = " ".join(
        DOCUMENTS[key].body for one in CORPUS.scenarios for key, grade in one.relevant.items() if grade == 2
    )
    assert len(CORPUS.scenarios) == 5
    for words in ("gbk", "docker run -m 512m nginx", "pdftotext", "heapq.merge"):
        assert words in answers


def test_two_documents_are_long_and_one_of_them_answers_a_scenario() -> None:
    long = [one for one in CORPUS.documents if len(one.body) > 5000]
    assert len(long) == 2
    assert all(27_000 < len(one.body) < 29_000 for one in long)
    assert any(one.id in query.relevant for one in long for query in CORPUS.scenarios)


def test_every_query_has_an_answer_and_every_scenario_says_why_it_is_hard() -> None:
    assert all(2 in one.relevant.values() for one in CORPUS.queries)
    assert all(one.trap for one in CORPUS.scenarios)


def test_no_text_occurs_twice() -> None:
    assert max(Counter(one.body for one in CORPUS.documents).values()) == 1
    assert max(Counter(one.text for one in CORPUS.queries).values()) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a", "lang": "en", "title": "t"}', "bad.jsonl:1: Object missing required field `body`"),
        ('{"id": 3}', "bad.jsonl:1: Expected `str`, got `int` - at `$.id`"),
        ("{", "bad.jsonl:1: Input data was truncated"),
    ],
)
def test_an_invalid_line_is_reported_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(line)
    with pytest.raises(EsRerankError, match="^" + message.replace("$", r"\$")):
        list(corpus._rows(tmp_path, corpus.Document))
