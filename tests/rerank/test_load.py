from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.load import first, window


@pytest.mark.parametrize(
    ("waiting", "expected"), [(-8, 100), (0, 100), (31, 100), (32, 50), (47, 50), (48, 20), (63, 20)]
)
def test_the_window_shrinks_step_by_step(waiting: int, expected: int) -> None:
    assert window(100, waiting, 64) == expected


@given(st.integers(0, 1000), st.integers(1, 200), st.data())
def test_more_load_never_reads_more_and_something_is_always_read(
    documents: int, queue: int, data: st.DataObject
) -> None:
    waiting = data.draw(st.integers(-10, queue - 1))
    count = window(documents, waiting, queue)
    assert min(documents, 2) <= count <= documents
    assert count <= window(documents, waiting - 1, queue)


def test_without_a_queue_nobody_waits() -> None:
    assert window(100, -1, 0) == 100


def test_what_is_not_read_keeps_its_place() -> None:
    assert first(["a", None, "c", "d"], 3) == ["a", None, "c", None]
