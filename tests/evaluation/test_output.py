from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.output import as_json, write_runs, write_text
from es_rerank.evaluation.summary import summarize
from es_rerank.evaluation.wording import Setup

from .builders import comparison

COMPARISONS = [
    comparison("red dress", {"a": 2.0, "b c": 0.5}, ["a", "b c"], ["b c", "a"], lang="en"),
    comparison("50%", {"a": 1.0}, [], ["a"]),
]
SETUP = Setup("docs", "http://e", "http://b", same=False, template="t", cutoffs=Cutoffs(), size=50, unjudged=1)


def test_the_json_has_every_number_and_every_ranking() -> None:
    found = json.loads(json.dumps(as_json(summarize(COMPARISONS, Cutoffs(), "lang"), SETUP)))
    assert (found["endpoint"], found["baseline"], found["index"]) == ("http://e", "http://b", "docs")
    assert (found["k"], found["window"], found["relevant"]) == (10, 50, 1.0)
    assert (found["queries_without_judgments"], found["judged_queries_without_query"]) == (1, 0)
    assert found["outcomes"] == {"reranked": 2}
    success = found["total"]["measures"]["success@1"]
    assert (success["baseline"], success["endpoint"], success["difference"]) == (0.5, 0.5, 0)
    assert (success["better"], success["worse"], success["p"]) == (1, 1, 1)
    assert len(success["interval"]) == 2
    assert [(group["name"], group["queries"]) for group in found["groups"]] == [("(none)", 1), ("en", 1)]
    assert set(found["seconds"]["endpoint"]) == {"p50", "p90", "p95", "p99"}
    assert found["windows"] == {}
    first, second = found["queries"]
    assert (first["id"], first["fields"]) == ("red dress", {"lang": "en"})
    assert first["hits"] == {"baseline": ["a", "b c"], "endpoint": ["b c", "a"]}
    assert second["ndcg@10"] == {"baseline": 0, "endpoint": 1}


def test_the_json_has_the_measures_of_each_window() -> None:
    windows = [replace(one, windows={5: one.baseline}) for one in COMPARISONS]
    (measures,) = as_json(summarize(windows, Cutoffs()), SETUP)["windows"].values()
    assert (measures["success@1"]["endpoint"], measures["ndcg@10"]["difference"]) == (0.5, 0)


def test_run_files_have_trecs_columns_and_encoded_spaces(tmp_path: Path) -> None:
    write_runs(tmp_path / "runs", COMPARISONS)
    read = {path.name: path.read_text().splitlines() for path in (tmp_path / "runs").iterdir()}
    assert read == {
        "baseline.run": ["red%20dress Q0 a 1 2 baseline", "red%20dress Q0 b%20c 2 1 baseline"],
        "endpoint.run": [
            "red%20dress Q0 b%20c 1 2 endpoint",
            "red%20dress Q0 a 2 1 endpoint",
            "50%25 Q0 a 1 1 endpoint",
        ],
        "qrels": ["red%20dress 0 a 2", "red%20dress 0 b%20c 0.5", "50%25 0 a 1"],
    }


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EsRerankError, match="cannot be written"):
        write_text(tmp_path / "file" / "x", "text")
    with pytest.raises(EsRerankError, match="cannot be written: Is a directory"):
        write_text(tmp_path, "text")
