"""Work that is done beside the answers, so that nobody waits for it: what reranking would have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from es_rerank.errors import UpstreamError
from es_rerank.search.order_change import Change
from es_rerank.server.metrics import Metrics

log = structlog.get_logger()

Measuring = Callable[[], Awaitable[Change | None]]


class ShadowRunner:
    """Bounded work in the background. State: what is under way; more than *most* at a time is not begun."""

    def __init__(self, metrics: Metrics, most: int) -> None:
        """Tell *metrics* what comes of it."""
        self._metrics = metrics
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, wanted: Iterable[Measuring]) -> None:
        """Begin what there is room for."""
        for one in wanted:
            if len(self._tasks) >= self._most:
                self._metrics.shadow_dropped()
                continue
            task = asyncio.create_task(self._noted(one))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _noted(self, measuring: Measuring) -> None:
        """Count one comparison; a fault of it is nobody's answer."""
        try:
            found = await measuring()
        except UpstreamError as error:
            log.debug("shadow not measured", reason=str(error))
            return
        except Exception:
            log.exception("shadow not measured")
            return
        if found:
            self._metrics.shadowed(found)
