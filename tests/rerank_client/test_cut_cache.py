from __future__ import annotations

import sys

from es_rerank.rerank.chunking import Cut, Piece
from es_rerank.rerank_client.cut_cache import CutCache


def cut(pieces: int) -> Cut:
    return Cut(tuple(Piece(number * 1000, number * 1000 + 900, 250) for number in range(pieces)), 40)


def test_the_cut_used_least_recently_is_evicted_first() -> None:
    cache = CutCache(1200)
    cache.put(b"a", cut(1))
    cache.put(b"b", cut(1))
    assert cache.get(b"a") == cut(1)
    cache.put(b"c", cut(1))
    assert (cache.get(b"a"), cache.get(b"b"), cache.get(b"c")) == (cut(1), None, cut(1))


def test_the_capacity_limits_the_memory_of_the_cuts() -> None:
    cache = CutCache(50_000)
    for number in range(1000):
        cache.put(b"%d" % number, cut(number % 7 + 1))
        assert cache.size <= 50_000
    cache.put(b"huge", cut(1000))
    assert (cache.get(b"huge"), cache.size) == (None, 0)


def test_a_cut_that_is_cached_again_counts_once() -> None:
    cache = CutCache(5000)
    cache.put(b"a", cut(3))
    size = cache.size
    cache.put(b"a", cut(3))
    assert cache.size == size
    cache.put(b"a", cut(1))
    assert cache.size < size


def test_a_cache_of_no_capacity_caches_nothing() -> None:
    cache = CutCache(0)
    cache.put(b"a", cut(1))
    assert (cache.get(b"a"), cache.size) == (None, 0)


def test_the_size_is_close_to_the_memory_that_a_cut_takes() -> None:
    cache = CutCache(5000)
    cache.put(bytes(50), cut(4))
    one = cut(4)
    pieces = sum(sys.getsizeof(piece) + 3 * sys.getsizeof(10**6) for piece in one.pieces)
    memory = sys.getsizeof(bytes(50)) + sys.getsizeof(one) + sys.getsizeof(one.pieces) + pieces
    assert memory <= cache.size <= 2 * memory + 300


def test_repr_shows_the_memory() -> None:
    assert repr(CutCache(5000)) == "<CutCache 0 documents, 0 of 5000 bytes>"
