"""The options for reranking the searches of a client request, and the responses of the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from multidict import CIMultiDict

from es_rerank.model.rule import Rule
from es_rerank.model.why import Why


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options for reranking the searches of one client request. Times are values of `time.monotonic()`.

    Attributes:
        arrived: When the request arrived.
        deadline: When the client stops waiting for the response.
        two_phase: Whether searches at this endpoint may be split into a query phase and a fetch phase.
        off: Whether the client turned reranking off.
        shadow: Whether the client requested shadow mode. Its searches are then reranked only to measure the effect, and
            the client gets the engine's order.
        sampling_key: Key that decides whether a search is in the sample of a rule. If it is empty, the key is the
            `preference` of the search or, without a `preference`, its query text.
        window: The window that the client requested, as a number of hits; None if it requested none. It can only reduce
            the window of the rule.

    """

    arrived: float = 0.0
    deadline: float = math.inf
    two_phase: bool = True
    off: bool = False
    shadow: bool = False
    sampling_key: str = ""
    window: int | None = None

    def deadline_of(self, rule: Rule) -> float:
        """Return the time by which a search with this rule must be answered."""
        return min(self.arrived + rule.deadline, self.deadline)

    def narrowed(self, rule: Rule) -> Rule:
        """Return the rule, with the window that the client requested if that is smaller than the window of the rule."""
        return rule if self.window is None or self.window >= rule.window else replace(rule, window=self.window)

    def restarted(self, now: float) -> CallOptions:
        """Return the options with arrival time *now* and the same time limit, for work that starts later."""
        return replace(self, arrived=now, deadline=self.deadline + now - self.arrived)


@dataclass(frozen=True, slots=True)
class EngineReply:
    """The engine's response to one request, with its body decoded. Times are values of `time.monotonic()`.

    Attributes:
        status: HTTP status.
        headers: Response headers for the client, without `Content-Length` and `Content-Encoding`.
        body: The decoded body; None if the status is not 200, or the body is too large or cannot be decoded.
        content_encoding: The `Content-Encoding` of the response to the client; empty if it is not encoded.
        started: When the request was sent.
        ended: When the response was complete.
        error: The decoded body if the status is 400, 401, 403 or 404; empty for other statuses and for long bodies.
        why: The reason for skipping the search if `body` is None.
        elasticsearch: Whether the engine is Elasticsearch, even if another engine is emulated for clients.

    """

    status: int = 0
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes | None = None
    content_encoding: str = ""
    started: float = 0.0
    ended: float = 0.0
    elasticsearch: bool = False
    error: bytes = b""
    why: Why = Why.ENGINE_ERROR

    @property
    def size(self) -> int:
        """Size of the decoded body, in bytes."""
        return len(self.body or b"")

    @property
    def seconds(self) -> float:
        """Time from sending the request to the end of the response, in seconds."""
        return self.ended - self.started
