from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.lru_cache import LruCache


def of_bytes(capacity: int) -> LruCache[bytes]:
    return LruCache("vectors", capacity, len)


def test_the_entry_used_least_recently_is_evicted_first() -> None:
    cache: LruCache[float] = LruCache("scores", 2)
    cache.put_many([b"a", b"b"], [1.0, 2.0])
    assert cache.get_many([b"a", b"x"]) == {b"a": 1.0}
    cache.put_many([b"c"], [3.0])
    assert cache.get_many([b"a", b"b", b"c"]) == {b"a": 1.0, b"c": 3.0}
    assert (len(cache), cache.size) == (2, 2)


def test_an_entry_that_is_cached_again_counts_once_and_as_used() -> None:
    cache = of_bytes(8)
    cache.put_many([b"a", b"b", b"a"], [b"AAA", b"BBBB", b"aaaa"])
    assert cache.size == 8
    cache.put_many([b"c"], [b"CCCC"])
    assert cache.get_many([b"a", b"b", b"c"]) == {b"a": b"aaaa", b"c": b"CCCC"}


def test_more_entries_than_the_capacity_leave_the_last_ones() -> None:
    cache: LruCache[float] = LruCache("scores", 2)
    cache.put_many([b"a", b"b", b"c"], [1.0, 2.0, 3.0])
    assert cache.get_many([b"a", b"b", b"c"]) == {b"b": 2.0, b"c": 3.0}


@pytest.mark.parametrize("capacity", [0, 3])
def test_an_entry_that_does_not_fit_is_not_cached(capacity: int) -> None:
    cache = of_bytes(capacity)
    cache.put_many([b"a"], [b"AAAA"])
    assert (cache.get_many([b"a"]), len(cache), cache.size) == ({}, 0, 0)


def test_a_value_of_zero_is_a_value() -> None:
    cache: LruCache[float] = LruCache("scores", 1)
    cache.put_many([b"a"], [0.0])
    assert cache.get_many([b"a"]) == {b"a": 0.0}


def test_a_cleared_cache_is_empty() -> None:
    cache = of_bytes(8)
    cache.put_many([b"a"], [b"AAAA"])
    cache.clear()
    assert (len(cache), cache.size, cache.get_many([b"a"])) == (0, 0, {})


@given(st.lists(st.tuples(st.binary(max_size=1), st.binary(min_size=1, max_size=400))), st.integers(0, 2000))
def test_it_never_exceeds_its_capacity(entries: list[tuple[bytes, bytes]], capacity: int) -> None:
    cache = of_bytes(capacity)
    for key, value in entries:
        cache.put_many([key], [value])
        assert 0 <= cache.size <= capacity
    kept = cache.get_many({key for key, _ in entries})
    assert cache.size == sum(map(len, kept.values()))


def test_repr_shows_the_contents_and_the_size() -> None:
    cache = of_bytes(5000)
    cache.put_many([b"a"], [b"AAAA"])
    assert repr(cache) == "<LruCache 1 vectors, size 4 of 5000>"
