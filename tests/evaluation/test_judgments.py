from __future__ import annotations

import json
from pathlib import Path

import pytest

from es_rerank.evaluation.judgments import Judgments, read_judgments
from es_rerank.evaluation.source import InputError
from es_rerank.evaluation.values import Query

LIST = [{"query": "red dress", "ratings": [{"docId": "B1", "rating": "1.000"}, {"docId": 2, "rating": 0.25}]}]
BAD_RATING = '{"judgmentRatings":\n [{"query": "a",\n "ratings": [{"docId": "b",\n "rating": "x"}]}]}'
NO_DOCUMENT = '{"judgmentRatings":\n [{"query": "a", "ratings":\n [{"rating": 1}]}]}'
TWO_RATINGS = '[{"query": "a", "ratings": [{"docId": "b", "rating": 1},\n {"docId": "b", "rating": 2}]}]'
RED = {"red dress": {"B1": 1.0, "2": 0.25}}


def reading(tmp_path: Path, text: str) -> Judgments:
    (tmp_path / "judgments").write_text(text, encoding="utf-8")
    return read_judgments(tmp_path / "judgments")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "301 0 FR-1 1\n301 0 FR-2 -1\n\n302\t0\tFR-1\t2\n",
            {"301": {"FR-1": 1, "FR-2": -1}, "302": {"FR-1": 2}},
            id="TREC",
        ),
        pytest.param("query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\n", {"q1": {"d1": 1, "d2": 0}}, id="BEIR"),
        pytest.param(
            'query,docid,rating\n"red, dress",B1,3\nshoes\nred,B2,0\n',
            {"red, dress": {"B1": 3}, "red": {"B2": 0}},
            id="Quepid",
        ),
        pytest.param(
            "Team Name,Case Name,Case ID,Query Text,Doc ID,Doc Position,Title,Rating\nT,C,1,red,B1,1,A dress,2\n",
            {"red": {"B1": 2}},
            id="Quepid in full",
        ),
        pytest.param("query,docId,rating\nred dress,B1,1\nred dress,2,0.25\n", RED, id="workbench, CSV"),
        pytest.param(
            json.dumps({"name": "x", "type": "IMPORT_JUDGMENT", "judgmentRatings": LIST}), RED, id="workbench, import"
        ),
        pytest.param(json.dumps({"judgmentScores": LIST}), RED, id="workbench, first version"),
        pytest.param(
            json.dumps({"hits": {"hits": [{"_source": {"judgmentRatings": LIST}}]}}), RED, id="workbench, response"
        ),
        pytest.param(json.dumps({"_id": "1", "_source": {"judgmentRatings": LIST}}), RED, id="workbench, document"),
        pytest.param(json.dumps(LIST), RED, id="workbench, the list alone"),
        pytest.param("1 0 a 1\n1 0 a 1\n", {"1": {"a": 1}}, id="the same line twice"),
    ],
)
def test_formats(tmp_path: Path, text: str, expected: dict[str, dict[str, float]]) -> None:
    assert reading(tmp_path, text).by_query == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("301 0 FR-1 1\n301 0 FR-2\n", "judgments:2: has 3 columns; qrels have 4"),
        ("301 0 FR-1 1\n301 0 FR-2 high\n", "judgments:2: rating: 'high' is not a number"),
        ("301 0 FR-1 1\n301 0 FR-1 0\n", "judgments:2: rating: differs from an earlier rating of 'FR-1'"),
        ("query,doc,rating\na,b,1\n", "judgments:1: document: the header has no column corpusid or docid"),
        ("docid,rating\nb,1\n", "judgments:1: query: the header has no column"),
        ("query,docid\na,b\n", "judgments:1: rating: the header has no column"),
        ("query,docid,rating\na,b\n", "judgments:2: has 2 columns; the header has 3"),
        ("query,docid,Rating\na,b,\n", "judgments:2: Rating: '' is not a number"),
        ("query,docid,rating\na,b,nan\n", "judgments:2: rating: 'nan' is not a number"),
        ("query,docid,rating\n", "judgments: has no judgments"),
        ('{"ratings": []}', "judgments:1: judgmentRatings: must be a list"),
        ('{"hits": {"hits": []}}', "judgments:1: judgmentRatings: must be a list"),
        (BAD_RATING, "judgments:4: judgmentRatings[0].ratings[0].rating: 'x' is not a number"),
        (NO_DOCUMENT, "judgments:3: judgmentRatings[0].ratings[0].docId: is missing"),
        ('[\n{"ratings": []}]', "judgments:2: [0].query: is missing"),
        (TWO_RATINGS, "judgments:2: rating: differs from an earlier rating of 'b'"),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        reading(tmp_path, text)
    assert message in str(error.value)


def test_a_query_is_found_by_its_id_or_else_by_its_text() -> None:
    judgments = Judgments({"1": {"a": 1.0}, "tea": {"b": 1.0}, "2": {"c": 1.0}})
    queries = [Query("1", "tea"), Query("9", "tea"), Query("8", "coffee")]
    assert [judgments.of(query) for query in queries] == [{"a": 1.0}, {"b": 1.0}, {}]
    assert judgments.unmatched(queries) == ["2"]
