from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.score_cache import ScoreCache, pair_key


def test_the_pair_used_longest_ago_goes_first() -> None:
    cache = ScoreCache(2)
    cache.put(b"a", 1.0)
    cache.put(b"b", 2.0)
    assert cache.get(b"a") == 1.0
    cache.put(b"c", 3.0)
    assert [cache.get(key) for key in (b"a", b"b", b"c")] == [1.0, None, 3.0]
    assert len(cache) == 2


def test_a_cache_of_nothing_remembers_nothing() -> None:
    cache = ScoreCache(0)
    cache.put(b"a", 1.0)
    assert (cache.get(b"a"), len(cache)) == (None, 0)


def test_a_score_of_zero_is_a_score() -> None:
    cache = ScoreCache(1)
    cache.put(b"a", 0.0)
    assert cache.get(b"a") == 0.0


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3))
def test_no_two_pairs_are_written_alike(one: list[str], other: list[str]) -> None:
    assert (pair_key(*one) == pair_key(*other)) is (one == other)


def test_half_a_surrogate_is_no_error() -> None:
    assert len(pair_key("\ud800")) == 16


def test_a_cleared_cache_knows_nothing() -> None:
    cache = ScoreCache(2)
    cache.put(b"a", 1.0)
    cache.clear()
    assert (len(cache), cache.get(b"a")) == (0, None)
