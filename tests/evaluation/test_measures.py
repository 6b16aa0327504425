"""Measures of random rankings equal those of ir-measures on the same run files, and those by definition."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import ir_measures
import pytest

from es_rerank.evaluation.measures import Cutoffs, measured
from es_rerank.evaluation.output import write_runs
from es_rerank.evaluation.values import Comparison, Side

from .builders import comparison

OFFICIAL = {
    "ndcg@10": "nDCG@10",
    "success@1": "Success@1",
    "mrr@10": "RR@10",
    "recall@50": "R@50",
    "judged@10": "Judged@10",
}


def ranking(generator: random.Random) -> list[str]:
    return generator.sample([f"d{at}" for at in range(80)], generator.choice([0, 1, 5, 10, 60]))


@pytest.fixture
def comparisons() -> list[Comparison]:
    """60 queries with rankings of 0 to 60 hits, and with ratings from -1 to 3, some without a relevant document."""
    generator = random.Random(7)
    return [
        comparison(
            f"q{at}",
            {f"d{document}": float(generator.randint(-1, 3)) for document in generator.sample(range(80), 20)}
            if at % 7
            else {"d1": 0.0},
            ranking(generator),
            ranking(generator),
        )
        for at in range(60)
    ]


def by_definition(ratings: Mapping[str, float], ids: Sequence[str], relevant: float = 1.0) -> dict[str, float]:
    gains = [max(ratings.get(key, 0.0), 0.0) for key in ids]
    ideal = sorted((max(rating, 0.0) for rating in ratings.values()), reverse=True)
    dcg, best = (sum(gain / math.log2(at + 2) for at, gain in enumerate(part[:10])) for part in (gains, ideal))
    all_relevant = sum(rating >= relevant for rating in ratings.values())
    found = [ratings.get(key, 0.0) >= relevant for key in ids]
    return {
        "ndcg@10": dcg / best if best else 0.0,
        "success@1": float(any(found[:1])),
        "mrr@10": next((1 / rank for rank, hit in enumerate(found[:10], 1) if hit), 0.0),
        "recall@50": sum(found[:50]) / all_relevant if all_relevant else 0.0,
        "judged@10": sum(key in ratings for key in ids[:10]) / max(len(ids[:10]), 1),
    }


@pytest.mark.parametrize("side", Side)
def test_measures_equal_those_of_ir_measures_on_the_run_files(
    tmp_path: Path, comparisons: list[Comparison], side: Side
) -> None:
    write_runs(tmp_path, comparisons)
    found = measured(comparisons, side, Cutoffs())
    official = {name: ir_measures.parse_measure(text) for name, text in OFFICIAL.items()}
    result = ir_measures.calc(
        list(official.values()),
        list(ir_measures.read_trec_qrels(str(tmp_path / "qrels"))),
        list(ir_measures.read_trec_run(str(tmp_path / f"{side}.run"))),
    )
    for name, measure in official.items():
        assert len(found[name]) == len(comparisons)
        mean = sum(found[name].values()) / len(comparisons)
        assert mean == pytest.approx(result.aggregated[measure], abs=1e-9)
        per_query = {metric.query_id: metric.value for metric in result.per_query if metric.measure == measure}
        assert found[name] == pytest.approx(per_query, abs=1e-9)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("relevant", [1.0, 2.0])
def test_measures_equal_their_definitions(comparisons: list[Comparison], side: Side, relevant: float) -> None:
    found = measured(comparisons, side, Cutoffs(relevant=relevant))
    for one in comparisons:
        expected = by_definition(one.ratings, one.of(side).ids, relevant)
        assert {name: values[one.query.id] for name, values in found.items()} == pytest.approx(expected, abs=1e-9)


def test_ratings_with_decimals() -> None:
    one = comparison("q", {"a": 0.25, "b": 0.5, "c": 1.5}, ["a", "b", "c"], ["c", "b", "a"])
    before = measured([one], Side.BASELINE, Cutoffs(relevant=0.5))
    expected = by_definition(one.ratings, ["a", "b", "c"], 0.5)
    assert {name: values["q"] for name, values in before.items()} == pytest.approx(expected, abs=1e-9)
    assert measured([one], Side.ENDPOINT, Cutoffs(relevant=0.5))["ndcg@10"]["q"] == pytest.approx(1)


def test_cutoffs_are_those_of_the_options() -> None:
    one = comparison("q", {"c": 1.0}, ["a", "b", "c"], ["c"])
    found = measured([one], Side.BASELINE, Cutoffs(k=2, window=2))
    assert found["ndcg@2"]["q"] == found["mrr@2"]["q"] == found["recall@2"]["q"] == 0
    assert measured([one], Side.BASELINE, Cutoffs(k=3, window=3))["mrr@3"]["q"] == pytest.approx(1 / 3)
    assert [measure.name for measure in Cutoffs(k=2, window=2).measures()] == list(found)


def test_an_id_that_occurs_twice_counts_at_its_first_rank() -> None:
    one = comparison("q", {"a": 1.0}, ["b", "a", "a"], ["a", "a"])
    assert measured([one], Side.BASELINE, Cutoffs())["mrr@10"]["q"] == 0.5
    assert measured([one], Side.ENDPOINT, Cutoffs())["ndcg@10"]["q"] == pytest.approx(1)


def test_queries_without_hits_have_the_value_0() -> None:
    found = measured([comparison("q", {"a": 1.0}, [], [])], Side.BASELINE, Cutoffs())
    assert {name: dict(values) for name, values in found.items()} == {name: {"q": 0.0} for name in OFFICIAL}
