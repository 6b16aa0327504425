"""Checks whether the engine responds, at startup and for the readiness check."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from es_rerank.engine_client.client import EngineClient
from es_rerank.errors import UpstreamError
from es_rerank.net.messages import OutgoingRequest
from es_rerank.reasons import ENGINE_UNREACHABLE

log = structlog.get_logger()

# Readiness checks of Kubernetes time out after one second by default.
_TIMEOUT_SECONDS = 0.8
# A result is used for this long, so that callers of the readiness check cannot cause more requests to the engine.
_FRESH_SECONDS = 1.0
# Time between two checks at startup.
_PAUSE_SECONDS = 2.0


class EngineReachability:
    """Sends `HEAD /` to the engine. Concurrent callers share one request, and its result is reused for a second."""

    def __init__(self, client: EngineClient) -> None:
        """Prepare to check the engine of *client*."""
        self._client = client
        self._check: asyncio.Task[str] | None = None
        self._ended = 0.0

    async def problem(self) -> str:
        """Return why the engine does not respond; empty if it responds, whatever the status of the response is."""
        if self._check is None or (self._check.done() and time.monotonic() - self._ended > _FRESH_SECONDS):
            self._check = asyncio.create_task(self._checked())
        # A caller that disconnects does not cancel the request that other callers wait for.
        return await asyncio.shield(self._check)

    async def await_engine(self, urls: Sequence[str]) -> None:
        """Log an error at startup if the engine at *urls* does not respond, and wait until it responds."""
        problem = await self.problem()
        if not problem:
            return
        log.error("engine unreachable", upstream=urls, reason=problem, do=ENGINE_UNREACHABLE.do)
        while await self.problem():  # noqa: ASYNC110 - the engine has no event
            await asyncio.sleep(_PAUSE_SECONDS)
        log.info("engine reachable", upstream=urls)

    async def _checked(self) -> str:
        """Send `HEAD /`, and return why the engine does not respond; empty if it responds."""
        request = OutgoingRequest("HEAD", "/", retryable=True, use_service_credentials=True)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._client.open(request):
                return ""
        except TimeoutError:
            return f"the engine did not respond within {_TIMEOUT_SECONDS} s"
        except UpstreamError as error:
            return str(error)
        finally:
            self._ended = time.monotonic()
