"""How one request is to be handled, and what the engine answered to a request made for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from multidict import CIMultiDict

from es_rerank.model.rule import Rule


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How the searches of one request are to be handled.

    Attributes:
        arrived: When the request arrived, in monotonic seconds.
        deadline: Until when the client waits, in monotonic seconds.
        two_phase: Whether the endpoint allows a query phase and a fetch phase.
        shadow: Whether the client wants all its searches to be only measured.
        sampling_key: What decides whether a search is in the sample; empty means its `preference` or query text.

    """

    arrived: float = 0.0
    deadline: float = math.inf
    two_phase: bool = True
    shadow: bool = False
    sampling_key: str = ""

    def deadline_of(self, rule: Rule) -> float:
        """Return until when a search of this rule must be answered, in monotonic seconds."""
        return min(self.arrived + rule.deadline, self.deadline)

    def restarted(self, now: float) -> CallOptions:
        """Return the same options for work that begins at *now*: the client has as long again."""
        return replace(self, arrived=now, deadline=self.deadline + now - self.arrived)


@dataclass(frozen=True, slots=True)
class EngineReply:
    """The engine's response to one request, its body decoded.

    Attributes:
        status: HTTP status.
        headers: Headers as clients see them, without those of the body's length and encoding.
        body: The decoded body; None if the status is not 200, or the body is too large or damaged.
        content_encoding: The encoding in which the engine sent the body; empty for none.
        started: When the request was sent, in monotonic seconds.
        ended: When the response was complete, in monotonic seconds.
        elasticsearch: Whether the engine itself says that it is Elasticsearch, whatever clients are shown.

    """

    status: int = 0
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes | None = None
    content_encoding: str = ""
    started: float = 0.0
    ended: float = 0.0
    elasticsearch: bool = False

    @property
    def seconds(self) -> float:
        """How long the engine took, in seconds."""
        return self.ended - self.started
