from __future__ import annotations

import asyncio
import math

import pytest

from es_rerank.rerank_client.queued import NO_QUEUE, QueuedRequest, QueueEstimate


@pytest.mark.parametrize(
    ("estimate", "seconds", "expected"),
    [
        (QueueEstimate(1.0, 100.0), 3.0, 200.0),
        (QueueEstimate(3.0, 100.0), 3.0, 0.0),
        (QueueEstimate(9.0, 100.0), 3.0, 0.0),
        (QueueEstimate(0.0, math.inf), 3.0, math.inf),
        (NO_QUEUE, 0.001, math.inf),
    ],
)
def test_the_capacity_is_what_is_left_after_the_queue(estimate: QueueEstimate, seconds: float, expected: float) -> None:
    assert estimate.capacity(seconds) == expected


async def test_requests_are_ordered_by_deadline_and_then_by_number() -> None:
    def queued(deadline: float, number: int) -> QueuedRequest:
        return QueuedRequest(deadline, number, -number, (), asyncio.get_running_loop().create_future())

    first, second, third = queued(1.0, 2), queued(2.0, 0), queued(2.0, 1)
    assert sorted([third, first, second]) == [first, second, third]
