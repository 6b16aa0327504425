from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.order_change import change, in_sample, rank_change


@pytest.mark.parametrize(
    ("order", "overlap", "top"),
    [
        ([0], 1.0, False),
        (range(50), 1.0, False),
        ([1, 0], 1.0, True),
        ([*range(10, 20), *range(10)], 0.0, True),
        ([0, *range(2, 20), 1], 0.9, False),
    ],
)
def test_overlap_of_the_first_page_and_change_of_the_first_hit(order: list[int], overlap: float, top: bool) -> None:
    measured = change(order)
    assert (measured.overlap, measured.top) == (overlap, top)


@pytest.mark.parametrize(
    ("order", "expected"),
    [([], None), ([0], 0.0), ([1, 0, 2, 3], 0.5), ([*range(10), 30, 11], 0.0), (range(2, 32), 2.0)],
)
def test_the_rank_change_is_the_mean_distance_of_the_first_ten_hits(order: list[int], expected: float | None) -> None:
    assert rank_change(order) == expected


def test_rbo_is_1_for_equal_orders_and_weighs_the_first_places_most() -> None:
    assert change(range(50)).rbo == pytest.approx(1.0)
    assert change([1, 0]).rbo == pytest.approx(0.9)
    assert change([1, 0, *range(2, 50)]).rbo < change([*range(48), 49, 48]).rbo


@given(st.permutations(range(30)))
def test_every_measure_is_a_share_and_rbo_agrees_with_its_formula(order: list[int]) -> None:
    measured = change(order)
    assert 0 <= measured.overlap <= 1
    agreement = [len(set(order[:d]) & set(range(d))) / d for d in range(1, len(order) + 1)]
    defined = agreement[-1] * 0.9**30 + 0.1 / 0.9 * sum(a * 0.9**d for d, a in enumerate(agreement, 1))
    assert measured.rbo == pytest.approx(defined)
    assert 0 <= measured.rbo <= 1 + 1e-9


@given(st.text())
def test_a_sample_rate_of_0_draws_no_key_and_a_rate_of_1_every_key(key: str) -> None:
    assert not in_sample(key, 0.0)
    assert in_sample(key, 1.0)


def test_the_place_of_a_key_is_the_same_in_all_replicas_and_versions() -> None:
    assert not in_sample("session 1", 0.354048)
    assert in_sample("session 1", 0.354049)
    assert not in_sample("session 2", 0.99173)
    assert in_sample("session 2", 0.991731)


def test_a_key_that_is_not_valid_unicode_is_a_key() -> None:
    assert in_sample("\ud800", 1.0)


def test_a_sample_has_its_share_of_keys_and_is_part_of_every_larger_sample() -> None:
    keys = [f"session {number}" for number in range(4000)]
    few = {key for key in keys if in_sample(key, 0.1)}
    more = {key for key in keys if in_sample(key, 0.3)}
    assert few < more
    assert len(few) / 4000 == pytest.approx(0.1, abs=0.02)
    assert len(more) / 4000 == pytest.approx(0.3, abs=0.03)
    assert few == {key for key in keys if in_sample(key, 0.1)}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([0], 1.0),
        ([1, 0], 0.9),
        ([1], 0.0),
        ([0, 2], 0.5 * 0.81 + (0.9 + 0.5 * 0.81) / 9),
        ([2, 1, 0], 0.729 + 0.1 / 0.9 * (0.5 * 0.81 + 0.729)),
    ],
)
def test_the_exact_rank_biased_overlap(order: list[int], expected: float) -> None:
    assert change(order).rbo == pytest.approx(expected, rel=1e-12)
