from __future__ import annotations

import sys

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.errors import EsRerankError
from es_rerank.load_test.histogram import PERCENTILES, Histogram


def filled(*seconds: float) -> Histogram:
    found = Histogram()
    for one in seconds:
        found.record(one)
    return found


def test_percentiles_have_three_significant_digits() -> None:
    found = filled(*(number / 1000 for number in range(1, 1001)))
    assert found.count == 1000
    summary = found.summary()
    assert list(summary) == ["mean", "p50", "p90", "p99", "p99.9", "max"]
    expected = {"mean": 0.5005, "p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    assert summary == pytest.approx(expected, rel=2e-3)


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=50))
def test_percentiles_rise_up_to_the_maximum(seconds: list[float]) -> None:
    found = filled(*seconds)
    rising = [found.percentile(share) for share in (*PERCENTILES, 100.0)]
    assert rising == sorted(rising)
    assert rising[-1] == pytest.approx(min(max(*seconds, 1e-6), 3600), rel=2e-3, abs=1e-6)


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert (filled().summary(), filled().percentile(99)) == ({}, 0.0)


def test_the_encoded_histogram_can_be_read_by_other_tools() -> None:
    decoded = HdrHistogram.decode(filled(0.25, 0.5).encoded())
    assert (decoded.get_total_count(), decoded.get_max_value()) == (2, pytest.approx(500_000, rel=1e-3))


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    with pytest.raises(EsRerankError, match=r"bench needs hdrh.histogram: pip install 'es-rerank\[bench\]'"):
        Histogram()
