from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.engine_client.node_pool import NodePool


def test_the_living_take_turns() -> None:
    nodes = NodePool(["a", "b", "c"])
    assert [nodes.order(0.0) for _ in range(4)] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


@pytest.mark.parametrize(("faults", "rest"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 30.0), (20, 30.0), (5000, 30.0)])
def test_one_that_was_not_reached_rests_twice_as_long_each_time_up_to_a_limit(faults: int, rest: float) -> None:
    nodes = NodePool(["a", "b"])
    for _ in range(faults):
        nodes.failed("a", 100.0)
    assert [nodes.order(100.0 + rest - 0.01)[0] for _ in range(2)] == ["b", "b"]
    assert sorted(nodes.order(100.0 + rest)[0] for _ in range(2)) == ["a", "b"]


def test_of_the_resting_that_whose_rest_ends_first_is_tried_before() -> None:
    nodes = NodePool(["a", "b"])
    nodes.failed("b", 0.0)
    nodes.failed("a", 0.5)
    assert [nodes.order(0.6) for _ in range(2)] == [["b", "a"], ["b", "a"]]


def test_an_answer_ends_the_rest_and_says_so_once() -> None:
    nodes = NodePool(["a", "b"])
    nodes.failed("a", 0.0)
    assert nodes.answered("a")
    assert not nodes.answered("a")
    assert sorted(nodes.order(0.1)[0] for _ in range(2)) == ["a", "b"]


@given(st.lists(st.tuples(st.sampled_from(["failed", "answered"]), st.sampled_from("abc"), st.floats(0, 100))))
def test_every_node_is_always_in_the_list_once(happened: list[tuple[str, str, float]]) -> None:
    nodes = NodePool(list("abc"))
    for what, url, now in happened:
        if what == "failed":
            nodes.failed(url, now)
        else:
            nodes.answered(url)
        assert sorted(nodes.order(now)) == ["a", "b", "c"]
