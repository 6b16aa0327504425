from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.evaluation.click_model import ClickModel, Evidence, Impression

# Probability that a user looks at each position.
EXAMINED = (0.95, 0.5, 0.28, 0.15, 0.08)
# Probability that a user who looks at a document clicks it.
RELEVANCE: Mapping[str, float] = {"best": 0.8, "good": 0.55, "fair": 0.35, "bad": 0.2, "worst": 0.08}
QUERIES = [f"query {number}" for number in range(20)]

impressions = st.lists(
    st.builds(
        Impression,
        st.sampled_from(("a", "b")),
        st.sampled_from(("x", "y", "z")),
        st.integers(1, 6),
        st.booleans(),
    ),
    max_size=60,
)


def simulated(seed: int, searches: int = 600) -> Iterator[Impression]:
    """Yield impressions of a position-based model of a user who clicks relevant documents that they look at.

    Each query has its own order, and half of the queries have their worst documents first, so that the click-through
    rate alone is misleading. From search to search, the order changes a little.
    """
    random = Random(seed)
    for number, query in enumerate(QUERIES):
        best_first = list(RELEVANCE)
        usual = best_first if number % 2 else best_first[::-1]
        for _ in range(searches):
            order = usual.copy()
            at = random.randrange(len(order) - 1)
            order[at : at + 2] = order[at + 1], order[at]
            for position, document in enumerate(order, 1):
                clicked = random.random() < EXAMINED[position - 1] * RELEVANCE[document]
                yield Impression(query, document, position, clicked)


def evidence(shown: Sequence[Impression], depth: int = 20) -> list[Evidence]:
    model = ClickModel(depth)
    model.add(shown)
    return list(model.evidence())


def orders(values: Mapping[tuple[str, str], float]) -> float:
    """Return the share of pairs of documents whose values have the order of their relevance."""
    right = [
        values[query, better] > values[query, worse]
        for query in QUERIES
        for better, worse in combinations(RELEVANCE, 2)
    ]
    return sum(right) / len(right)


@pytest.mark.parametrize("seed", range(3))
def test_ratings_have_the_order_of_the_true_relevance_whatever_the_positions(seed: int) -> None:
    found = evidence(list(simulated(seed)))
    coec = orders({(one.query, one.document): one.rating() for one in found})
    click_through = orders({(one.query, one.document): one.clicks / one.impressions for one in found})
    assert coec >= 0.98
    assert click_through < 0.8


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_the_most_relevant_document_has_the_highest_rating_of_each_query(prior: float) -> None:
    rated = defaultdict[str, dict[str, float]](dict)
    for one in evidence(list(simulated(7, searches=1500))):
        rated[one.query][one.document] = one.rating(prior)
    assert [max(ratings, key=ratings.__getitem__) for ratings in rated.values()] == ["best"] * len(QUERIES)
    assert all(ratings["best"] > 1 > ratings["worst"] for ratings in rated.values())


def test_the_formula() -> None:
    shown = [
        Impression("hose", "a", 1, clicked=True),
        Impression("hose", "b", 2, clicked=True),
        Impression("hose", "a", 1, clicked=False),
        Impression("hose", "b", 2, clicked=False),
        Impression("tap", "a", 2, clicked=False),
        Impression("tap", "c", 1, clicked=False),
    ]
    # One third of the impressions is clicked at both positions.
    assert evidence(shown) == [
        Evidence("hose", "a", 2, 1, pytest.approx(2 / 3)),
        Evidence("hose", "b", 2, 1, pytest.approx(2 / 3)),
        Evidence("tap", "a", 1, 0, pytest.approx(1 / 3)),
        Evidence("tap", "c", 1, 0, pytest.approx(1 / 3)),
    ]
    assert evidence(shown)[0].rating() == pytest.approx(1.5)
    assert evidence(shown)[0].rating(1.0) == pytest.approx(0.6)


def test_without_clicks_there_is_no_rating() -> None:
    assert Evidence("hose", "a", 5, 0, 0.0).rating() == 0


def test_positions_below_the_depth_are_ignored() -> None:
    shown = [Impression("hose", "a", position, clicked=True) for position in (1, 2, 3)]
    assert [(one.impressions, one.clicks) for one in evidence(shown, depth=2)] == [(2, 2)]


@given(impressions)
def test_over_all_documents_as_many_clicks_are_expected_as_there_are(shown: list[Impression]) -> None:
    found = evidence(shown)
    assert sum(one.expected for one in found) == pytest.approx(sum(one.clicked for one in shown))
    assert sum(one.impressions for one in found) == len(shown)


@given(impressions, st.randoms(use_true_random=False))
def test_the_order_of_the_log_does_not_matter(shown: list[Impression], random: Random) -> None:
    shuffled = shown.copy()
    random.shuffle(shuffled)
    expected = {(one.query, one.document): one.rating() for one in evidence(shown)}
    assert {(one.query, one.document): one.rating() for one in evidence(shuffled)} == pytest.approx(expected)


@given(impressions, st.lists(st.floats(0, 100), min_size=2, max_size=5).map(sorted))
def test_a_higher_prior_never_raises_a_rating(shown: list[Impression], priors: list[float]) -> None:
    for one in evidence(shown):
        ratings = [one.rating(prior) for prior in priors]
        assert all(low >= high >= 0 for low, high in pairwise(ratings)) or not one.expected + priors[0]
