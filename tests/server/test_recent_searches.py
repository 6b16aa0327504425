from __future__ import annotations

from itertools import count

from es_rerank.model import Failed, Outcome, OutcomeState, Why, failed, skipped
from es_rerank.server.recent_searches import RecentSearches


def reranked(window: int) -> Outcome:
    return Outcome(OutcomeState.RERANKED, None, window, 50, 3, "some/model")


def test_the_latest_windows_and_reasons_come_first() -> None:
    ticks = count(1)
    recent = RecentSearches(lambda: float(next(ticks)))
    recent.record("/a/_search", [skipped(Why.SORT)])
    recent.record("/b/_search", [reranked(20), skipped(Why.SORT)])
    recent.record("/c/_search", [failed(Failed(Why.UNREACHABLE, "connection refused"))])
    recent.record("/d/_search", [reranked(30)])
    assert [tuple(one) for one in recent.windows] == [(4.0, 30, 50, 3), (2.0, 20, 50, 3)]
    failure, sort = recent.not_reranked
    assert (failure.why, failure.searches, failure.at, failure.path) == (Why.UNREACHABLE, 1, 3.0, "/c/_search")
    assert failure.detail == "connection refused"
    assert (sort.why, sort.searches, sort.at, sort.path) == (Why.SORT, 2, 2.0, "/b/_search")
    assert repr(recent) == "RecentSearches(2 windows, 2 reasons)"


def test_only_a_bounded_number_is_kept() -> None:
    recent = RecentSearches()
    for window in range(200):
        recent.record("/a/_search", [reranked(window), *(skipped(why) for why in Why)])
    assert [one.window for one in recent.windows] == list(range(199, 149, -1))
    assert len(recent.not_reranked) == len(Why)
