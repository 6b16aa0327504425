from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from es_rerank.model import LowHits, MinProbability, PolicySpec
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import probabilities
from es_rerank.search.scoring import PINNED, POLICIES, Ranking, rank, squash

ENGINE = st.lists(st.floats(0, 1e30, allow_nan=False), max_size=30).map(lambda scores: sorted(scores, reverse=True))
PROBABILITIES = st.lists(st.none() | st.floats(0, 1), max_size=30)
SPECS = st.sampled_from(
    [*(PolicySpec(name) for name in POLICIES), *map(PolicySpec, ("linear", "blend", "rrf"), (0.0,) * 3)]
)


@pytest.mark.parametrize(
    ("spec", "order", "scores"),
    [
        (PolicySpec("replace"), (1, 3, 0, 2, 4), (1.9, 1.5, 1.1, 0.5, 0.375)),
        (PolicySpec("probability"), (1, 3, 0, 2, 4), (0.9, 0.5, 0.1, 5e-7, 3.75e-7)),
        (PolicySpec("keep"), (1, 3, 0, 2, 4), (30, 20, 10, 8, 6)),
        (PolicySpec("linear", 0.0), (0, 1, 3, 2, 4), (1.75, 1 + 2 / 3, 1 + 4 / 9, 0.5, 0.375)),
        (PolicySpec("linear", 1.0), (1, 3, 0, 2, 4), (1.9, 1.5, 1.1, 0.5, 0.375)),
        (PolicySpec("blend", 0.0), (0, 1, 3, 2, 4), (2, 1 + 12 / 22, 1, 0.5, 0.375)),
        (PolicySpec("blend", 1.0), (1, 3, 0, 2, 4), (2, 1.5, 1, 0.5, 0.375)),
        (PolicySpec("blend", 0.5), (1, 0, 3, 2, 4), (1 + (1 + 12 / 22) / 2, 1.5, 1.25, 0.5, 0.375)),
        (PolicySpec("rrf", 1.0), (1, 0, 3, 2, 4), (1 + 5 / 6, 1.75, 1 + 7 / 12, 0.5, 0.375)),
    ],
)
def test_policies(spec: PolicySpec, order: tuple[int, ...], scores: tuple[float, ...]) -> None:
    """Five hits: four in the window, of which one has no text, and one in the tail."""
    ranking = rank(spec, [30, 20, 10, 8, 6], [0.1, 0.9, None, 0.5])
    assert ranking.order == order
    assert ranking.scores == pytest.approx(scores)


@pytest.mark.parametrize("name", ["replace", "probability", "linear", "blend"])
def test_pinned_hits_stay_where_the_engine_put_them(name: str) -> None:
    ranking = rank(PolicySpec(name), [1.7014124e38, 1.7014122e38, 9, 8, 7], [None, None, 0.1, 0.9])
    assert (ranking.order, ranking.scores[:2]) == ((0, 1, 3, 2, 4), (None, None))


@pytest.mark.parametrize(
    ("value", "order"), [(0.0, (1, 3, 0)), (0.5, (1, 3)), (0.51, (1,)), (0.95, ()), (None, (1, 3, 0, 2, 4))]
)
def test_a_request_with_a_minimum_gets_only_hits_that_reach_it(value: float | None, order: tuple[int, ...]) -> None:
    """Hits that the model has not scored are left out, too."""
    minimum = None if value is None else MinProbability(value, LowHits.ONLY_SCORED)
    ranking = rank(PolicySpec("replace"), [30, 20, 10, 8, 6], [0.1, 0.9, None, 0.5], minimum)
    assert (ranking.order, len(ranking.scores), ranking.gap) == (order, len(order), range(0))


@pytest.mark.parametrize(
    ("below", "value", "order", "scores", "places"),
    [
        (LowHits.DROP, 0.1, (1, 3, 0, 2, 4), (1.9, 1.5, 1.1, 0.5, 0.375), (1, 3, 0, 2, 4)),
        (LowHits.DROP, 0.2, (1, 3, 2, 4), (1.9, 1.5, 0.5, 0.375), (1, 3, 2, None, 4)),
        (LowHits.DROP, 0.91, (2, 4), (0.5, 0.375), (2, None, None, None, 4)),
        (LowHits.LAST, 0.2, (1, 3, 2, 4, 0), (1.9, 1.5, 0.5, 0.375, 0), (1, 3, 2, 4, 0)),
        (LowHits.LAST, 0.91, (2, 4, 1, 3, 0), (0.5, 0.375, 0, 0, 0), (2, 4, 1, 3, 0)),
    ],
)
def test_hits_below_the_minimum_of_a_rule_leave_a_gap_or_come_last(
    below: LowHits, value: float, order: tuple[int, ...], scores: tuple[float, ...], places: tuple[int | None, ...]
) -> None:
    ranking = rank(PolicySpec("replace"), [30, 20, 10, 8, 6], [0.1, 0.9, None, 0.5], MinProbability(value, below))
    assert ranking.order == order
    assert ranking.scores == pytest.approx(scores)
    shown = [[ranking.order[one] for one in ranking.ranks(place, place + 1)] for place in range(5)]
    assert shown == [[] if one is None else [one] for one in places]
    assert ranking.ranks(0, 10) == tuple(range(len(order)))


def test_a_protected_hit_and_pinned_hits_are_kept_whatever_their_probability() -> None:
    for below in LowHits:
        ranking = rank(PolicySpec("replace"), [PINNED, 9, 8], [None, 0.1, 0.2], MinProbability(0.5, below), 1)
        assert ranking.order[:2] == (0, 1)


def test_every_policy_has_a_case_and_a_default_parameter() -> None:
    parameters = {"replace": 0.0, "probability": 0.0, "keep": 0.0, "linear": 0.7, "blend": 0.7, "rrf": 60.0}
    assert {name: policy.parameter for name, policy in POLICIES.items()} == parameters


def test_the_default_parameter_counts_where_the_rule_has_none() -> None:
    for name, policy in POLICIES.items():
        explicit = rank(PolicySpec(name, policy.parameter), [30, 20, 10], [0.1, 0.9, 0.5])
        assert rank(PolicySpec(name), [30, 20, 10], [0.1, 0.9, 0.5]) == explicit


def test_a_pinned_hit_stays_first_whatever_the_model_says_of_it() -> None:
    ranking = rank(PolicySpec("replace"), [PINNED, 9, math.nextafter(PINNED, 0)], [0.1, 0.2, 0.9])
    assert ranking == Ranking((0, 2, 1), (None, 1.9, 1.2))
    minimum = MinProbability(0.5, LowHits.ONLY_SCORED)
    assert rank(PolicySpec("replace"), [PINNED, 9], [0.1, 0.2], minimum) == Ranking((0,), (None,))


def test_keep_shows_the_engines_scores_of_as_many_places_as_there_are_hits() -> None:
    engine, model = [30, 20, 10, 5], [0.1, 0.9, 0.5]
    shown = {below: rank(PolicySpec("keep"), engine, model, MinProbability(0.5, below)) for below in LowHits}
    assert shown[LowHits.ONLY_SCORED] == Ranking((1, 2), (30, 20))
    assert shown[LowHits.DROP] == Ranking((1, 2, 3), (30, 20, 5), range(2, 3))
    assert shown[LowHits.LAST] == Ranking((1, 2, 3, 0), (30, 20, 10, 5))


@pytest.mark.parametrize(
    ("engine", "model", "scores"),
    [
        ([7], [0.2], (2,)),
        ([7, 7, 7], [0.2, 0.2, 0.2], (2, 2, 2)),
        ([7, 7, 7], [0.8, 0.5, 0.2], (2, 1.65, 1.3)),
        ([9, 8, 7], [0.5, 0.5, 0.5], (2, 1.85, 1.7)),
        ([9, 8, 7], [0.5, 0.500002, 0.500004], (2, 1.85, 1.7)),
        ([9, 7], [0.0, 1.0], (1.7, 1.3)),
        ([0, 0], [1.0, 1.0], (2, 2)),
        ([-1, -3], [0.9, 0.1], (2, 1)),
        ([9, 7], [None, 0.1], (2, 9 / 19)),
    ],
    ids=str,
)
def test_blend_of_windows_with_one_hit_and_with_equal_scores(
    engine: list[float], model: list[float | None], scores: tuple[float, ...]
) -> None:
    """A list of equal scores counts 1 for every hit. So does one whose differences are rounding errors."""
    assert rank(PolicySpec("blend", 0.7), engine, model).scores == pytest.approx(scores)


@given(ENGINE, st.lists(st.floats(0.6, 1), min_size=30, max_size=30), st.floats(1, 50), st.floats(-0.2, 0.2))
def test_blend_does_not_depend_on_the_mapping_of_cosines_to_probabilities(
    engine: list[float], cosines: list[float], slope: float, shift: float
) -> None:
    def blended(slope: float, center: float) -> list[float]:
        profile = replace(PROFILES["e5"], slope=slope, center=center)
        scores = rank(PolicySpec("blend"), engine, probabilities(profile, cosines[: len(engine)], raw=False)).scores
        return sorted(score for score in scores if score is not None)

    assume(max(cosines) - min(cosines) > 0.01)
    assert blended(slope, 0.8 + shift) == pytest.approx(blended(25.0, 0.82), abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pages_of_a_blended_window_are_slices_of_one_ranking(size: int) -> None:
    """Each page is ranked on its own, from the window at offset 0 and the tail up to the end of the page."""
    engine, model = [9.0, 8.0, 6.0, 5.0, 3.0, 2.0, 1.0], [0.2, 0.7, 0.1, 0.9]
    whole = rank(PolicySpec("blend"), engine, model)
    for start in range(0, len(engine), size):
        fetched = max(len(model), start + size)
        ranking = rank(PolicySpec("blend"), engine[:fetched], model)
        assert ranking.order[start : start + size] == whole.order[start : start + size]
        assert ranking.scores[start : start + size] == whole.scores[start : start + size]


def test_hits_with_equal_probabilities_share_a_rank_in_rrf() -> None:
    ranking = rank(PolicySpec("rrf", 1.0), [30, 20, 10], [0.5, 0.5, 0.5])
    assert ranking.scores == pytest.approx((1 + (1 + 1) / 2, 1 + (2 / 3 + 1) / 2, 1 + (2 / 4 + 1) / 2))


@given(SPECS, ENGINE, PROBABILITIES)
def test_guarantees_of_every_policy(spec: PolicySpec, engine: list[float], model: list[float | None]) -> None:
    ranking = rank(spec, engine, model[: len(engine)])
    assert sorted(ranking.order) == list(range(len(engine)))
    scores = [score for score in ranking.scores if score is not None]
    assert len(scores) == len(engine)
    assert all(math.isfinite(score) and score >= 0 for score in scores)
    assert scores == sorted(scores, reverse=True)


@given(SPECS, ENGINE, st.floats(0, 1))
def test_ties_keep_the_engines_order(spec: PolicySpec, engine: list[float], p: float) -> None:
    assert rank(spec, engine, [p] * len(engine)).order == tuple(range(len(engine)))


@given(SPECS, st.lists(st.floats(0, 1), max_size=20))
def test_lists_that_agree_keep_their_order(spec: PolicySpec, model: list[float]) -> None:
    model = sorted(model, reverse=True)
    assert rank(spec, [20 * p for p in model], list(model)).order == tuple(range(len(model)))


@given(st.floats(0), st.floats(0))
def test_squash_is_monotone_and_below_one(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= squash(low) <= squash(high) < 1


def test_negative_engine_scores_are_shown_as_0() -> None:
    assert squash(-3.0) == 0.0


@pytest.mark.parametrize("name", ["linear", "blend"])
def test_the_compared_weights_are_fractions_from_high_to_low_around_the_default(name: str) -> None:
    weights = POLICIES[name].compared
    assert list(weights) == sorted(set(weights), reverse=True)
    assert 0 < weights[-1] < POLICIES[name].parameter < weights[0] < 1
    assert POLICIES[name].parameter in weights


@pytest.mark.parametrize(
    ("first", "model", "order", "scores"),
    [
        (None, [0.1, 0.9, 0.5], (1, 2, 0), (1.9, 1.5, 1.1)),
        (0, [0.1, 0.9, 0.5], (0, 1, 2), (1.9, 1.9, 1.5)),
        (1, [0.1, 0.9, 0.5], (1, 2, 0), (1.9, 1.5, 1.1)),
        (2, [0.1, 0.9, 0.5], (2, 1, 0), (1.9, 1.9, 1.1)),
        (1, [0.0, 1.0, 1.0], (1, 2, 0), (2.0, 2.0, 1.0)),
        (0, [0.1], (0, 1, 2), (1.1, 2 / 3, 0.5)),
        (0, [], (0, 1, 2), (0.75, 2 / 3, 0.5)),
    ],
)
def test_a_protected_hit_comes_first_with_the_highest_value(
    first: int | None, model: list[float], order: tuple[int, ...], scores: tuple[float, ...]
) -> None:
    ranking = rank(PolicySpec("replace"), [30, 20, 10], model, None, first)
    assert (ranking.order, ranking.scores) == (order, pytest.approx(scores))


@pytest.mark.parametrize(
    ("value", "model", "order"),
    [(0.0, [0.0, 0.2], (1, 0)), (0.1, [0.0, 0.2], (1,)), (0.2, [0.0, 0.2], (1,)), (0.21, [0.0, 0.2], ())],
)
def test_a_hit_whose_probability_is_the_minimum_is_kept(
    value: float, model: list[float], order: tuple[int, ...]
) -> None:
    minimum = MinProbability(value, LowHits.ONLY_SCORED)
    assert rank(PolicySpec("replace"), [30, 20], model, minimum).order == order


def test_the_parameters_that_are_compared_for_each_policy() -> None:
    assert {name: policy.compared for name, policy in POLICIES.items()} == {
        "replace": (0.0,),
        "probability": (),
        "linear": (0.9, 0.7, 0.5, 0.3),
        "blend": (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
        "rrf": (60.0, 10.0),
        "keep": (),
    }


@pytest.mark.parametrize(
    ("start", "stop", "ranks"),
    [
        (0, 2, (0, 1)),
        (1, 3, (1,)),
        (2, 4, ()),
        (0, 5, (0, 1, 2)),
        (3, 5, (2,)),
        (4, 5, (2,)),
        (4, 9, (2, 3)),
        (5, 6, (3,)),
        (6, 9, ()),
    ],
)
def test_places_in_the_gap_of_dropped_hits_have_no_hit(start: int, stop: int, ranks: tuple[int, ...]) -> None:
    ranking = Ranking((0, 1, 4, 5), (2.0, 1.9, 0.5, 0.4), range(2, 4))
    assert ranking.ranks(start, stop) == ranks


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.0, -20.723265836946), (1e-9, -20.723265836946), (0.5, 0.0), (1.0, 20.723265836946)],
)
def test_blended_log_odds_are_limited(probability: float, expected: float) -> None:
    """A hit whose log-odds are halfway between those of the other two gets the middle of their scores."""
    low, high = sorted((expected, math.log(1 / 9)))
    middle = 1 / (1 + math.exp(-(low + high) / 2))
    ranking = rank(PolicySpec("blend", 1.0), [3, 2, 1], [probability, 0.1, middle])
    assert sorted(score or 0.0 for score in ranking.scores)[1] == pytest.approx(1.5, abs=1e-6)
