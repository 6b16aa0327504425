from __future__ import annotations

import pytest

from es_rerank.model import Why
from es_rerank.server.metric_table import FAILURES, METRICS, MetricRow


@pytest.mark.parametrize(("name", "row"), METRICS.items(), ids=METRICS)
def test_known_series_have_a_value_for_each_label(name: str, row: MetricRow) -> None:
    assert all(len(values) == len(row.labels) for values in row.known)
    assert len(set(map(tuple, row.known))) == len(row.known)
    assert (row.kind == "histogram") is bool(row.buckets)
    assert list(row.buckets) == sorted(row.buckets)


def test_every_reason_has_a_series_from_the_start() -> None:
    known = [why for _, why in METRICS["searches_total"].known]
    assert sorted(known) == sorted(["", *Why])
    assert set(FAILURES) < set(Why)
