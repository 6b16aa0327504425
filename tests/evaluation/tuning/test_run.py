from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from es_rerank.evaluation.judgments import Judgments
from es_rerank.evaluation.source import InputError
from es_rerank.evaluation.tuning.run import Task, collect

from .fakes import HOSE, REEL, TEMPLATE, both

JUDGMENTS = Judgments({"1": {"hose-answer": 1.0}, "2": {"reel-answer": 2.0}})


async def test_every_query_is_searched_once_and_scored_with_each_reading_and_window() -> None:
    steps: list[int] = []
    async with both(window=3) as (settings, engine, _):
        task = Task(settings, "docs", TEMPLATE, 10, [2, 5])
        scores = await collect(task, [HOSE, REEL], JUDGMENTS, lambda: steps.append(1))
    assert len(steps) == 4
    assert [one.json["size"] for one in engine.seen if one.target.endswith("_search")] == [10, 10]
    assert scores.variants[0].name == "as now"
    assert {window for _, window in scores.places} == {2, 3, 5}
    assert (scores.rule.window, scores.model) == (3, "BAAI/bge-reranker-v2-m3")
    assert [pool.query for pool in scores.pools] == [HOSE, REEL]
    assert scores.pools[1].ratings == {"reel-answer": 2.0}
    assert scores.pools[0].windows.keys() == set(scores.places)


async def test_scores_in_the_file_are_used_unless_the_hits_have_changed(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    async with both() as (settings, _, model):
        task = Task(settings, "docs", TEMPLATE, 10, [2], resume=path)
        first = await collect(task, [HOSE, REEL], JUDGMENTS, lambda: None)
        asked = len(model.seen)
        again = await collect(task, [HOSE, REEL], JUDGMENTS, lambda: None)
        assert (again.pools, len(model.seen)) == (first.pools, asked)
        path.write_text(path.read_text().replace("hose-answer", "another"))
        assert (await collect(task, [HOSE, REEL], JUDGMENTS, lambda: None)).pools == first.pools
        assert len(model.seen) > asked
        with pytest.raises(InputError, match=r"scores\.jsonl:1: windows: the file was written with another value"):
            await collect(replace(task, windows=[2, 4]), [HOSE, REEL], JUDGMENTS, lambda: None)
        path.write_text(path.read_text() + json.dumps({"query": {"id": "1"}, "windows": [{}]}) + "\n")
        with pytest.raises(InputError, match=r"scores\.jsonl:5: is not the scores of a query"):
            await collect(task, [HOSE, REEL], JUDGMENTS, lambda: None)
