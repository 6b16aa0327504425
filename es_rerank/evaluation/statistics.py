"""Computes the statistical significance of the difference between two rankings of the same queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from es_rerank.evaluation.extra import library

_SAMPLES = 10_000
_EXACT_LIMIT = 14
_BLOCK_VALUES = 1_000_000
_SEED = 20_061
_CONFIDENCE = 0.95
# Differences below this are rounding errors.
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference of a measure, endpoint minus baseline.

    Attributes:
        mean: The mean over the queries.
        low: Lower bound of the 95 % confidence interval.
        high: Upper bound of the 95 % confidence interval.
        p: Probability of a mean at least as far from 0 if both rankings were equally good.
        better: Number of queries with a higher value at the endpoint.
        worse: Number of queries with a lower value at the endpoint.

    """

    mean: float
    low: float
    high: float
    p: float
    better: int
    worse: int

    @property
    def significant(self) -> bool:
        """Whether p is below 0.05."""
        return self.p < 1 - _CONFIDENCE


def difference(baseline: Sequence[float], endpoint: Sequence[float]) -> Difference:
    """Return the mean difference of a measure between baseline and endpoint, with its confidence interval and p.

    p is from a paired two-sided randomization test (Smucker, Allan and Carterette, "A comparison of statistical
    significance tests for information retrieval evaluation", CIKM 2007). It is exact if at most 14 queries differ,
    and otherwise estimated from 10,000 samples. The interval is the bootstrap percentile interval of 10,000 samples.
    Both use a fixed seed, so the same values give the same result.

    Args:
        baseline: The value of the measure for each query; at least one.
        endpoint: The value of the measure for each query, in the same order.

    """
    numpy = library("numpy")
    differences = numpy.asarray(endpoint, dtype=float) - numpy.asarray(baseline, dtype=float)
    differences[abs(differences) < _TOLERANCE] = 0.0
    generator = numpy.random.default_rng(_SEED)
    means = _resampled_means(generator, differences)
    low, high = numpy.quantile(means, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return Difference(
        mean=float(differences.mean()),
        low=float(low),
        high=float(high),
        p=_randomization_test(generator, differences[differences != 0]),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
    )


def _resampled_means(generator: Any, differences: Any) -> Any:
    """Return the mean of each bootstrap sample, as an array."""
    count = len(differences)
    blocks = [differences[generator.integers(0, count, (rows, count))].mean(axis=1) for rows in _blocks(count)]
    return library("numpy").concatenate(blocks)


def _randomization_test(generator: Any, differences: Any) -> float:
    """Return p. *differences* must not contain zeros, which add nothing to the sum with either sign."""
    numpy, count = library("numpy"), len(differences)
    if not count:
        return 1.0
    observed = abs(differences.sum()) - _TOLERANCE
    if count <= _EXACT_LIMIT:
        signs = (numpy.arange(2**count)[:, None] >> numpy.arange(count)) & 1
        return float((abs((2 * signs - 1) @ differences) >= observed).mean())
    reached = sum(
        int((abs((2 * generator.integers(0, 2, (rows, count)) - 1) @ differences) >= observed).sum())
        for rows in _blocks(count)
    )
    # The observed assignment of signs counts as one of the samples, so p is never 0.
    return (reached + 1) / (_SAMPLES + 1)


def _blocks(count: int) -> list[int]:
    """Return the number of samples in each block. To limit memory, a block has at most about a million values.

    Args:
        count: Number of values per sample.

    """
    rows = max(_BLOCK_VALUES // count, 1)
    return [min(rows, _SAMPLES - start) for start in range(0, _SAMPLES, rows)]


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile of *values*, interpolated linearly. *share* is from 0 to 100; 50 returns the median."""
    return float(library("numpy").percentile(values, share))
