from __future__ import annotations

from dataclasses import replace

from es_rerank.engine_client.mapping_cache import MAX_ENTRIES, MappingCache
from es_rerank.model import IndexInfo

INFO = IndexInfo(("docs",), {"title": "text"})


def test_entries_expire() -> None:
    cache = MappingCache()
    cache.set(b"a", 60.0, b"digest", INFO, 100)
    cache.set(b"b", 3.0, None, None, 0)
    assert cache.get(b"a", 59.9) == (True, INFO)
    assert cache.get(b"b", 2.9) == (True, None)
    assert cache.get(b"a", 60.0) == cache.get(b"b", 3.0) == cache.get(b"c", 0.0) == (False, None)


def test_equal_mappings_are_held_once_until_no_entry_refers_to_them() -> None:
    cache = MappingCache()
    for key in (b"a", b"b", b"a"):
        cache.set(key, 60.0, b"digest", INFO, 1000)
    assert (len(cache), cache.size) == (2, 1600)
    assert cache.known(b"digest") is INFO
    cache.remove(b"a")
    assert cache.known(b"digest") is INFO
    cache.remove(b"b")
    cache.remove(b"b")
    assert (cache.known(b"digest"), len(cache), cache.size) == (None, 0, 0)


def test_what_is_learnt_about_a_mapping_is_in_all_entries() -> None:
    cache = MappingCache()
    for key in (b"a", b"b"):
        cache.set(key, 60.0, b"digest", INFO, 1000)
    cache.learn_source(IndexInfo(INFO.names, dict(INFO.field_types)), has_source=False)
    assert cache.get(b"a", 0.0)[1] is INFO
    cache.learn_source(replace(INFO, max_result_window=3), has_source=False)
    assert cache.get(b"a", 0.0)[1] is cache.get(b"b", 0.0)[1] is cache.known(b"digest")
    assert cache.known(b"digest") == replace(INFO, has_source=False)


def test_the_number_of_bytes_is_bounded() -> None:
    cache = MappingCache(10_000)
    for number in range(100):
        cache.set(b"%d" % number, 60.0, b"%d" % number, INFO, 1700)
        assert cache.size <= 10_000
    assert [cache.get(b"%d" % number, 0.0)[0] for number in range(94, 100)] == [False, True, True, True, True, True]
    cache.set(b"large", 60.0, b"large", INFO, 20_000)
    assert (len(cache), cache.get(b"large", 0.0)) == (1, (True, INFO))


def test_the_number_of_entries_is_bounded() -> None:
    cache = MappingCache()
    for number in range(MAX_ENTRIES + 2):
        cache.set(b"%d" % number, 60.0, None, None, 0)
    assert len(cache) == MAX_ENTRIES
    assert [cache.get(b"%d" % number, 0.0)[0] for number in range(3)] == [False, False, True]


def test_the_entry_that_was_set_last_is_evicted_last() -> None:
    cache = MappingCache(700)
    for key in (b"a", b"b", b"a", b"c"):
        cache.set(key, 60.0, None, None, 0)
    assert [cache.get(key, 0.0)[0] for key in (b"a", b"b", b"c")] == [True, False, True]
