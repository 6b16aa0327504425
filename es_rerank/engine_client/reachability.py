"""Checks whether the engine responds, for the readiness check."""

from __future__ import annotations

import asyncio
import time

from es_rerank.engine_client.client import EngineClient
from es_rerank.errors import UpstreamError
from es_rerank.net.messages import OutgoingRequest

# Readiness checks of Kubernetes time out after one second by default.
_TIMEOUT_SECONDS = 0.8
# A result is used for this long, so that callers of the readiness check cannot cause more requests to the engine.
_FRESH_SECONDS = 1.0


class EngineReachability:
    """Sends `HEAD /` to the engine. Concurrent callers share one request, and its result for a second."""

    def __init__(self, client: EngineClient) -> None:
        """Prepare to check the engine of *client*."""
        self._client = client
        self._check: asyncio.Task[str] | None = None
        self._ended = 0.0

    async def problem(self) -> str:
        """Return why the engine does not respond; empty if it responds, whatever the status of the response is."""
        if self._check is None or (self._check.done() and time.monotonic() - self._ended > _FRESH_SECONDS):
            self._check = asyncio.create_task(self._checked())
        # A caller that disconnects does not cancel the request of the others.
        return await asyncio.shield(self._check)

    async def _checked(self) -> str:
        """Send the request."""
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
