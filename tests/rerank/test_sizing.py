from __future__ import annotations

import pytest

from es_rerank.rerank.sizing import Sizing, endpoint_cores


def test_a_search_costs_the_tokens_of_its_window() -> None:
    sizing = Sizing(10_000, 50, 200)
    assert (sizing.search_tokens, sizing.search_seconds, sizing.searches_per_second) == (10_000, 1.0, 0.7)


def test_cached_scores_make_more_searches_possible_but_none_of_the_new_ones_faster() -> None:
    sizing = Sizing(10_000, 50, 200, hit_rate=0.5)
    assert (sizing.search_seconds, sizing.searches_per_second) == (1.0, 1.4)


@pytest.mark.parametrize(("deadline", "fits", "window"), [(2.0, True, 50), (1.9, False, 47), (0.02, False, 0)])
def test_a_search_may_take_half_of_the_deadline(deadline: float, fits: bool, window: int) -> None:
    sizing = Sizing(10_000, 50, 200)
    assert (sizing.fits(deadline), sizing.largest_window(deadline)) == (fits, window)
    assert Sizing(10_000, sizing.largest_window(deadline), 200).fits(deadline)
    assert not Sizing(10_000, sizing.largest_window(deadline) + 1, 200).fits(deadline)


@pytest.mark.parametrize(("peak", "servers"), [(0.1, 2), (3.5, 6), (3.6, 7)])
def test_one_server_more_than_the_peak_needs(peak: float, servers: int) -> None:
    assert Sizing(10_000, 50, 200).servers(peak) == servers


def test_a_core_takes_a_hundred_searches_per_second() -> None:
    assert [endpoint_cores(peak) for peak in (0.1, 100, 101)] == [1, 1, 2]
