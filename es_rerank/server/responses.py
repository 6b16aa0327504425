"""The endpoint's responses: the engine's status, headers and body, or an error in the engines' format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from es_rerank.errors import error_body
from es_rerank.model import Outcome
from es_rerank.server.timings import Timings, server_timing

_SERVER_NAME = "es-rerank"
# aiohttp adds these headers to responses that do not have them.
_LIBRARY_HEADERS = ("Content-Type", "Date", "Server")
_MAX_LISTED_OUTCOMES = 32


@dataclass(frozen=True, slots=True)
class RerankHeaders:
    """The headers that es-rerank adds to a response: the outcomes of the searches, times, and the engine's warnings.

    Attributes:
        outcome: The value of `X-Rerank`; empty for a request without searches.
        timings: Source of `Server-Timing`; None omits the header.
        warnings: `Warning` headers of all engine replies, including replies that the client does not get.
        endpoint: The endpoint of the request, for the metrics.

    """

    outcome: str = ""
    timings: Timings | None = None
    warnings: Sequence[str] = ()
    endpoint: str = ""

    def add_to(self, headers: CIMultiDict[str], *, in_flight_since: float | None = None) -> None:
        """Add the headers to a response.

        Args:
            headers: The response headers.
            in_flight_since: When an engine request that is still in flight was sent, as a value of `time.monotonic()`;
                None if no engine request is in flight.

        """
        if self.outcome:
            headers["X-Rerank"] = self.outcome
            if self.timings:
                durations = self.timings.durations(in_flight_since=in_flight_since)
                headers.add("Server-Timing", server_timing(durations))
        if self.warnings:
            known = headers.getall("Warning", [])
            headers.extend([("Warning", warning) for warning in self.warnings if warning not in known])


def outcome_header(outcomes: Sequence[Outcome]) -> str:
    """Return the value of `X-Rerank`: one entry per search, in request order, at most 32.

    Examples: `reranked; window=50; cached=12; model=Qwen/Qwen3-Reranker-0.6B`, `skipped; why=sort`,
    `reranked; window=20; of=100; cached=0; model=...`.
    """
    listed = [_entry(outcome) for outcome in outcomes[:_MAX_LISTED_OUTCOMES]]
    more = len(outcomes) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more else listed)


def _entry(outcome: Outcome) -> str:
    """Return the `X-Rerank` entry of one search."""
    if outcome.why is not None:
        return outcome.state if outcome.state.value == outcome.why.value else f"{outcome.state}; why={outcome.why}"
    window = f"{outcome.window}; of={outcome.of}" if outcome.window < outcome.of else outcome.window
    return f"{outcome.state}; window={window}; cached={outcome.cached}; model={outcome.model}"


class PassedResponse(web.StreamResponse):
    """A streamed response with the engine's headers, without the headers that aiohttp would add."""

    def __init__(self, *, headers: Mapping[str, str], **head: Any) -> None:
        """Create a response. `absent` has the headers that aiohttp would add but the engine did not send."""
        super().__init__(headers=headers, **head)
        self.absent = _absent(headers)


class WholeResponse(web.Response):
    """A response with a complete body and the engine's headers, without the headers that aiohttp would add."""

    def __init__(self, *, headers: Mapping[str, str], body: bytes, **head: Any) -> None:
        """Create a response. `absent` has the headers that aiohttp would add but the engine did not send."""
        super().__init__(headers=headers, body=body, **head)
        self.absent = _absent(headers)


def _absent(headers: Mapping[str, str]) -> list[str]:
    """Return the names of the headers that aiohttp would add but the engine did not send."""
    return [name for name in _LIBRARY_HEADERS if name not in headers]


async def remove_library_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Remove the headers that aiohttp has added to a response of the engine. In any other response, set `Server`."""
    if isinstance(response, PassedResponse | WholeResponse):
        for name in response.absent:
            response.headers.popall(name, None)
        if request.headers.get("Connection", "").strip().lower() == "close":
            # If the client sends `Connection: close`, the engines do not repeat it in the response.
            response.headers.popall("Connection", None)
    else:
        response.headers["Server"] = _SERVER_NAME


async def sent(request: web.BaseRequest, response: web.Response) -> None:
    """Send a response, and wait until the client has read all but a small part of it."""
    with suppress(ConnectionError):
        # The client has disconnected; aiohttp notices it, too.
        await response.prepare(request)
        await response.write_eof()


def error_answer(status: int, kind: str, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error response that every Elasticsearch and OpenSearch client can parse.

    Args:
        status: HTTP status.
        kind: Error type in snake_case, such as `illegal_argument_exception`.
        reason: Error message.
        headers: Additional response headers.

    """
    body = error_body(status, kind, reason)
    own = {"Server": _SERVER_NAME, **(headers or {})}
    return web.Response(status=status, body=body, content_type="application/json", headers=own)
