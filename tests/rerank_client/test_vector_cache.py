from __future__ import annotations

import gc
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.vector_cache import ENTRY_BYTES, VectorCache

ENTRY = ENTRY_BYTES + 4
DIMENSIONS, KEY_BYTES = 384, 16


def cache_of(entries: int) -> VectorCache:
    """Return a cache for this number of vectors of four bytes."""
    return VectorCache(entries * ENTRY)


def test_the_vector_used_least_recently_is_evicted_first() -> None:
    cache = cache_of(2)
    cache.put_many([b"a", b"b"], [b"AAAA", b"BBBB"])
    assert cache.get_many([b"a", b"x"]) == {b"a": b"AAAA"}
    cache.put_many([b"c"], [b"CCCC"])
    assert cache.get_many([b"a", b"b", b"c"]) == {b"a": b"AAAA", b"c": b"CCCC"}
    assert (len(cache), cache.bytes) == (2, 2 * ENTRY)


def test_a_vector_that_is_cached_again_counts_once_and_as_used() -> None:
    cache = cache_of(2)
    cache.put_many([b"a", b"b", b"a"], [b"AAAA", b"BBBB", b"aaaa"])
    assert cache.bytes == 2 * ENTRY
    cache.put_many([b"c"], [b"CCCC"])
    assert cache.get_many([b"a", b"b", b"c"]) == {b"a": b"aaaa", b"c": b"CCCC"}


def test_the_capacity_is_in_bytes() -> None:
    cache = cache_of(3)
    cache.put_many([b"a", b"b", b"c"], [b"AAAA"] * 3)
    cache.put_many([b"d"], [b"D" * 5])
    assert len(cache) == 2


@pytest.mark.parametrize("capacity", [0, ENTRY - 1])
def test_a_vector_that_does_not_fit_is_not_cached(capacity: int) -> None:
    cache = VectorCache(capacity)
    cache.put_many([b"a"], [b"AAAA"])
    assert (cache.get_many([b"a"]), len(cache), cache.bytes) == ({}, 0, 0)


def test_a_cleared_cache_has_no_vectors() -> None:
    cache = cache_of(2)
    cache.put_many([b"a"], [b"AAAA"])
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


@given(st.lists(st.tuples(st.binary(max_size=1), st.binary(min_size=1, max_size=400))), st.integers(0, 2000))
def test_it_never_exceeds_its_capacity(entries: list[tuple[bytes, bytes]], capacity: int) -> None:
    cache = VectorCache(capacity)
    for key, vector in entries:
        cache.put_many([key], [vector])
        assert 0 <= cache.bytes <= capacity
    kept = cache.get_many({key for key, _ in entries})
    assert cache.bytes == sum(len(vector) + ENTRY_BYTES for vector in kept.values())


@pytest.mark.parametrize("entries", [10_000, 22_000])
def test_a_vector_of_384_dimensions_takes_at_most_a_kilobyte_as_counted(entries: int) -> None:
    cache = VectorCache(10**9)
    gc.collect()
    tracemalloc.start()
    for _ in range(entries):
        cache.put_many([os.urandom(KEY_BYTES)], [os.urandom(2 * DIMENSIONS)])
    measured = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert measured / entries <= 1024
    assert measured == pytest.approx(cache.bytes, rel=0.05)
