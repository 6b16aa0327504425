"""The health of one rerank server, which decides whether it gets requests and whether its scores are used.

Pure: times are arguments, as values of `time.monotonic()`. The health is a state machine, see `HealthState` and
`HealthEvent`. This table has the state that follows each state (column) after each event (row); a dot means that the
state does not change:

    event             untested  healthy   suspect   open      unfit
    self_test_passed  healthy   .         healthy   healthy   healthy
    self_test_failed  unfit     unfit     unfit     unfit     .
    answered          .         .         healthy   healthy   .
    returned          .         untested  untested  untested  .
    failed            .         suspect   .         .         .
    failed_too_often  .         open      open      .         .
    probe_sent        .         .         .         .         .
    probe_released    .         .         .         .         .

`probe_sent` and `probe_released` never change the state. They start and end the time in which a probe is in flight:
while the circuit breaker is open, only one request at a time is sent, as a probe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum, auto

from es_rerank.model import Failed, Why

NOT_TESTED = "the known pairs have not been scored yet"

# The circuit breaker opens after this many consecutive failures.
MAX_FAULTS = 3
# Time between opening the circuit breaker and the first probe. Only one probe is in flight at a time.
PAUSE_SECONDS = 1.0
# Timeouts count as a server failure once unanswered requests have waited this long in total since the last answer.
SILENCE_SECONDS = 1.0


class HealthState(StrEnum):
    """The state of a rerank server."""

    UNTESTED = auto()
    """The self-test has not passed yet, or must pass again. No searches are sent."""
    HEALTHY = auto()
    """The last request was answered."""
    SUSPECT = auto()
    """The last request failed. Searches are still sent."""
    OPEN = auto()
    """The circuit breaker is open. No searches are sent, except one at a time as a probe after a pause."""
    UNFIT = auto()
    """The self-test failed: the model ranked the known pairs wrongly. No searches are sent until it passes."""


class HealthEvent(StrEnum):
    """The events of the state machine."""

    SELF_TEST_PASSED = auto()
    SELF_TEST_FAILED = auto()
    ANSWERED = auto()
    RETURNED = auto()
    """The server answered after it was unreachable, so it may have been restarted with a different model."""
    FAILED = auto()
    FAILED_TOO_OFTEN = auto()
    """The third consecutive failure, or a later one."""
    PROBE_SENT = auto()
    """A request is sent, which is the probe if the circuit breaker is open."""
    PROBE_RELEASED = auto()
    """A request ended without evidence about the server's health: it was canceled or its timeout was too short."""


TRUSTED_STATES = frozenset({HealthState.HEALTHY, HealthState.SUSPECT, HealthState.OPEN})
"""The states in which the scores of a server may be used."""

_UNTESTED, _HEALTHY, _SUSPECT, _OPEN, _UNFIT = HealthState
_CHANGES: Mapping[tuple[HealthState, HealthEvent], HealthState] = {
    (_UNTESTED, HealthEvent.SELF_TEST_PASSED): _HEALTHY,
    (_SUSPECT, HealthEvent.SELF_TEST_PASSED): _HEALTHY,
    (_OPEN, HealthEvent.SELF_TEST_PASSED): _HEALTHY,
    (_UNFIT, HealthEvent.SELF_TEST_PASSED): _HEALTHY,
    (_UNTESTED, HealthEvent.SELF_TEST_FAILED): _UNFIT,
    (_HEALTHY, HealthEvent.SELF_TEST_FAILED): _UNFIT,
    (_SUSPECT, HealthEvent.SELF_TEST_FAILED): _UNFIT,
    (_OPEN, HealthEvent.SELF_TEST_FAILED): _UNFIT,
    (_SUSPECT, HealthEvent.ANSWERED): _HEALTHY,
    (_OPEN, HealthEvent.ANSWERED): _HEALTHY,
    (_HEALTHY, HealthEvent.RETURNED): _UNTESTED,
    (_SUSPECT, HealthEvent.RETURNED): _UNTESTED,
    (_OPEN, HealthEvent.RETURNED): _UNTESTED,
    (_HEALTHY, HealthEvent.FAILED): _SUSPECT,
    (_HEALTHY, HealthEvent.FAILED_TOO_OFTEN): _OPEN,
    (_SUSPECT, HealthEvent.FAILED_TOO_OFTEN): _OPEN,
}
TRANSITIONS: Mapping[tuple[HealthState, HealthEvent], HealthState] = {
    (state, event): _CHANGES.get((state, event), state) for state in HealthState for event in HealthEvent
}
"""The next state for every state and event."""


class ServerHealth:
    """The state machine of one server.

    Attributes:
        state: The current state.
        fault: The last failure; None after an answer.
        mismatch: The reason why the self-test failed; None if it did not fail.
        answered_at: Time of the last answer, as a value of `time.monotonic()`.

    """

    def __init__(self, *, self_test: bool) -> None:
        """Start in the state untested if the self-test is enabled, otherwise in the state healthy."""
        self.state = HealthState.UNTESTED if self_test else HealthState.HEALTHY
        self.fault: Failed | None = None
        self.mismatch: str | None = None
        self.answered_at = -math.inf
        self._self_test = self_test
        self._faults = 0
        self._opened_at = -math.inf
        self._probing = False
        self._unreachable = False
        # Total waiting time of the requests that have timed out since the last answer, and the time of that answer.
        self._unanswered_seconds, self._unanswered_since = 0.0, -math.inf

    def __repr__(self) -> str:
        probe = ", probe in flight" if self._probing else ""
        fault = f", last {self.fault.why}" if self.fault else ""
        return f"<ServerHealth {self.state}: {self._faults} faults in a row{fault}{probe}>"

    @property
    def trusted(self) -> bool:
        """Whether the server's scores may be used."""
        return self.state in TRUSTED_STATES

    @property
    def problem(self) -> str:
        """Description of the problem, as shown in logs and on the admin pages; empty if there is no problem."""
        if self.mismatch:
            return f"{Why.SELF_TEST}: {self.mismatch}"
        return f"{self.fault.why}: {self.fault.detail}" if self.fault else ""

    def admits(self, now: float) -> bool:
        """Return whether a request of a search may be sent at time *now*."""
        if self.state is HealthState.OPEN:
            return not self._probing and now - self._opened_at >= PAUSE_SECONDS
        return self.trusted

    def answered(self, now: float) -> bool:
        """Record an answer at time *now*.

        Returns:
            Whether the server was unreachable before this answer.

        """
        returned = self._unreachable
        self.answered_at = now
        self._forget_faults()
        self._apply(HealthEvent.RETURNED if returned and self._self_test else HealthEvent.ANSWERED)
        return returned

    def failed(self, fault: Failed, now: float) -> None:
        """Record a failure at time *now*."""
        self.fault = fault
        self._faults += 1
        self._probing = False
        self._unreachable = self._unreachable or fault.why is Why.UNREACHABLE
        self._apply(HealthEvent.FAILED if self._faults < MAX_FAULTS else HealthEvent.FAILED_TOO_OFTEN)
        if self.state is HealthState.OPEN:
            self._opened_at = now

    def is_silent(self, sent_at: float, now: float) -> bool:
        """Return whether a timeout counts as a failure of the server.

        If the server has answered another request in the meantime, it is only busy, and the timeout does not count.

        Args:
            sent_at: When the request was sent.
            now: When the request timed out.

        """
        if self.answered_at > sent_at:
            return False
        if self._unanswered_since != self.answered_at:
            self._unanswered_seconds, self._unanswered_since = 0.0, self.answered_at
        self._unanswered_seconds += now - sent_at
        return self._unanswered_seconds >= SILENCE_SECONDS

    def probe_sent(self) -> None:
        """Record that a request is sent. If the circuit breaker is open, no other request is sent until it ends."""
        self._apply(HealthEvent.PROBE_SENT)
        self._probing = self.state is HealthState.OPEN

    def probe_released(self) -> None:
        """Record that a request ended without evidence about the server's health, see `HealthEvent.PROBE_RELEASED`."""
        self._apply(HealthEvent.PROBE_RELEASED)
        self._probing = False

    def self_test_passed(self) -> None:
        """Record that the known pairs were ranked correctly."""
        self.mismatch = None
        self._forget_faults()
        self._apply(HealthEvent.SELF_TEST_PASSED)

    def self_test_failed(self, mismatch: str) -> None:
        """Record that the self-test failed; *mismatch* is the reason."""
        self.mismatch = mismatch
        self._apply(HealthEvent.SELF_TEST_FAILED)

    def _forget_faults(self) -> None:
        """Reset the failure count, the last failure and the probe."""
        self.fault, self._faults, self._probing, self._unreachable = None, 0, False, False

    def _apply(self, event: HealthEvent) -> None:
        """Change to the state that follows the current state after an event."""
        self.state = TRANSITIONS[self.state, event]
