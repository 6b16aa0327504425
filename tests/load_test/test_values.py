from __future__ import annotations

import pytest

from es_rerank.evaluation.client import search_target
from es_rerank.evaluation.values import Side
from es_rerank.load_test.values import Load, Requests, blocks


def test_bodies_are_repeated_in_their_order_up_to_the_limit() -> None:
    requests = Requests(search_target("http://engine:9200", "docs", {}), [b"1", b"2"], 3)
    assert requests.first == b"1"
    assert [requests.next_body() for _ in range(5)] == [b"1", b"2", b"1", None, None]


def test_blocks_alternate_so_that_both_sides_have_the_same_mean_time() -> None:
    found = list(blocks(Load(40)))
    assert [block.seconds for block in found] == [5.0] * 8
    for side in Side:
        places = [at for at, block in enumerate(found) if block.side is side]
        assert (len(places), sum(places) / len(places)) == (4, 3.5)


@pytest.mark.parametrize(
    ("load", "count"), [(Load(1), 2), (Load(10), 2), (Load(60), 12), (Load(60, rate=100), 12), (Load(60, rate=0.5), 4)]
)
def test_each_side_gets_half_of_the_time(load: Load, count: int) -> None:
    found = list(blocks(load))
    assert len(found) == count
    for side in Side:
        assert sum(block.seconds for block in found if block.side is side) == pytest.approx(load.seconds / 2)
