from __future__ import annotations

import pytest

from es_rerank.server.memory import MemoryBudget


def test_all_requests_together_hold_no_more_than_the_limit() -> None:
    budget = MemoryBudget(100)
    with budget.hold() as one:
        assert one.grow(60)
        with budget.hold() as other:
            assert not other.grow(41)
            assert other.grow(40)
            assert not one.grow(1)
            assert budget.held == 100
        assert budget.held == 60
        assert one.grow(40)
    assert budget.held == 0


def test_no_bytes_are_added_after_the_end_of_a_request() -> None:
    budget = MemoryBudget(100)
    with budget.hold() as hold:
        assert hold.grow(60)
        hold.release()
        assert hold.grow(70)
    assert not hold.grow(10)
    assert budget.held == 0


def test_what_a_failed_request_holds_is_released() -> None:
    budget = MemoryBudget(100)

    def fail() -> None:
        with budget.hold() as hold:
            hold.grow(10)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (budget.held, repr(budget)) == (0, "<MemoryBudget 0 of 100 bytes held>")
