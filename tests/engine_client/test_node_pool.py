from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.engine_client.node_pool import NodePool


def test_nodes_are_ordered_round_robin() -> None:
    nodes = NodePool(["a", "b", "c"])
    assert [nodes.order(0.0) for _ in range(4)] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


@pytest.mark.parametrize(
    ("failures", "pause"),
    [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (20, 30.0), (5000, 30.0)],
)
def test_the_pause_of_a_node_doubles_with_each_failure_up_to_a_limit(failures: int, pause: float) -> None:
    nodes = NodePool(["a", "b"])
    for _ in range(failures):
        nodes.failed("a", 100.0)
    assert [nodes.order(100.0 + pause - 0.01)[0] for _ in range(2)] == ["b", "b"]
    assert sorted(nodes.order(100.0 + pause)[0] for _ in range(2)) == ["a", "b"]


def test_of_several_nodes_that_are_down_the_next_to_be_tried_is_first() -> None:
    nodes = NodePool(["a", "b"])
    nodes.failed("b", 0.0)
    nodes.failed("a", 0.5)
    assert [nodes.order(0.6) for _ in range(2)] == [["b", "a"], ["b", "a"]]


def test_a_response_ends_the_pause_and_is_reported_once() -> None:
    nodes = NodePool(["a", "b"])
    nodes.failed("a", 0.0)
    assert nodes.answered("a")
    assert not nodes.answered("a")
    assert sorted(nodes.order(0.1)[0] for _ in range(2)) == ["a", "b"]


@given(st.lists(st.tuples(st.sampled_from(["failed", "answered"]), st.sampled_from("abc"), st.floats(0, 100))))
def test_every_node_is_always_listed_once(events: list[tuple[str, str, float]]) -> None:
    nodes = NodePool(list("abc"))
    for what, url, now in events:
        if what == "failed":
            nodes.failed(url, now)
        else:
            nodes.answered(url)
        assert sorted(nodes.order(now)) == ["a", "b", "c"]


def test_a_failure_after_a_response_starts_with_the_shortest_pause() -> None:
    nodes = NodePool(["a", "b"])
    for _ in range(3):
        nodes.failed("a", 0.0)
    nodes.answered("a")
    nodes.failed("a", 100.0)
    assert sorted(nodes.order(101.0)[0] for _ in range(2)) == ["a", "b"]


def test_a_url_that_is_listed_twice_is_one_node() -> None:
    assert [NodePool(["a", "b", "a"]).order(0.0) for _ in range(2)] == [["a", "b"], ["a", "b"]]


def test_repr_shows_which_nodes_are_up_and_down() -> None:
    nodes = NodePool(["http://a", "http://b"])
    nodes.failed("http://b", 0.0)
    assert repr(nodes) == "NodePool(up=['http://a'], down=['http://b'])"
