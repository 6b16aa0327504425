from __future__ import annotations

import importlib
from itertools import product
from typing import Any

import numpy as np
import pytest

from es_rerank.evaluation.statistics import difference, percentile

BASELINE = [0.1, 0.5, 0.3, 0.9, 0.0, 0.4, 0.7, 0.2]
ENDPOINT = [0.4, 0.5, 0.6, 0.7, 0.5, 0.9, 0.8, 0.2]


@pytest.fixture
def scipy_stats() -> Any:
    """Import scipy.stats, which takes a second, in the test and not in every process that collects the tests."""
    return importlib.import_module("scipy.stats")


def test_p_of_a_few_queries_is_exact() -> None:
    differences = [after - before for before, after in zip(BASELINE, ENDPOINT, strict=True)]
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=8)
    ]
    expected = sum(one >= observed - 1e-12 for one in sums) / len(sums)
    found = difference(BASELINE, ENDPOINT)
    assert found.p == pytest.approx(expected)
    assert found.mean == pytest.approx(sum(differences) / 8)
    assert (found.better, found.worse) == (5, 1)


def test_p_and_interval_of_many_queries_equal_those_of_scipy(scipy_stats: Any) -> None:
    generator = np.random.default_rng(3)
    before = generator.random(120)
    after = before + generator.normal(0.02, 0.12, 120)
    found = difference(before.tolist(), after.tolist())
    official = scipy_stats.permutation_test(
        (after - before,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        rng=1,
    )
    assert 0.01 < official.pvalue < 0.5
    assert found.p == pytest.approx(official.pvalue, abs=0.02)
    interval = scipy_stats.bootstrap((after - before,), np.mean, method="percentile", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.002)


def test_equal_rankings_are_not_different() -> None:
    found = difference(BASELINE, [value + 1e-16 for value in BASELINE])
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert (found.better, found.worse, found.significant) == (0, 0, False)


def test_a_clear_difference_is_significant_and_p_is_never_0() -> None:
    found = difference([0.0] * 50, [1.0] * 50)
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    assert found.significant
    assert 0 < found.p < 0.001


def test_the_same_values_give_the_same_result() -> None:
    values = [at / 40 for at in range(40)]
    assert difference(values, values[::-1]) == difference(values, values[::-1])
    assert difference([0.5], [1.0]).p == 1


def test_percentiles_are_interpolated() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 50) == 3
    assert percentile([1.0, 2.0], 90) == pytest.approx(1.9)
