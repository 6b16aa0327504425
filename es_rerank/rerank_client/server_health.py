"""The health of one rerank server: whether it may be sent requests and whether its scores may be used.

Pure: times are passed in, in monotonic seconds. A dot leaves the state as it is; `TRANSITIONS` is the same table.

    event             untested  healthy   suspect   open      unfit
    self_test_passed  healthy   .         healthy   healthy   healthy
    self_test_failed  unfit     unfit     unfit     unfit     .
    answered          .         .         healthy   healthy   .
    returned          .         untested  untested  untested  .
    failed            .         suspect   .         .         .
    failed_too_often  .         open      open      .         .
    probe_sent        .         .         .         .         .
    probe_released    .         .         .         .         .

The last two decide whether a probe may be sent while the circuit breaker is open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum, auto

from es_rerank.model import Failed, Why

NOT_TESTED = "the known pairs have not been scored yet"

# This many faults in a row open the circuit breaker.
MAX_FAULTS = 3
# After this pause one probe at a time may be sent.
PAUSE_SECONDS = 1.0
# A server is silent once its unanswered requests have waited this long in all since its last answer.
SILENCE_SECONDS = 1.0


class HealthState(StrEnum):
    """The state of a rerank server."""

    UNTESTED = auto()
    """Its self-test has not passed yet, or must pass again: no searches."""
    HEALTHY = auto()
    """Its last request was answered."""
    SUSPECT = auto()
    """Its last request failed; it is still sent searches."""
    OPEN = auto()
    """The circuit breaker is open: no searches but one probe at a time after a pause."""
    UNFIT = auto()
    """It ranked the known pairs wrongly: no searches until a self-test passes."""


class HealthEvent(StrEnum):
    """What can change the state."""

    SELF_TEST_PASSED = auto()
    SELF_TEST_FAILED = auto()
    ANSWERED = auto()
    RETURNED = auto()
    """It answered after it was unreachable, and may serve another model now."""
    FAILED = auto()
    FAILED_TOO_OFTEN = auto()
    """The third fault in a row, or a later one."""
    PROBE_SENT = auto()
    PROBE_RELEASED = auto()
    """A request ended without saying anything about the server."""


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
    """The state machine of one server, with what it knows about the last faults.

    Attributes:
        state: The current state.
        fault: The last fault; None after an answer.
        mismatch: Why the model is unfit; None otherwise.
        answered_at: When the last answer arrived, in monotonic seconds.

    """

    def __init__(self, *, self_test: bool) -> None:
        """Start untested if a *self_test* must pass before scores are used, healthy otherwise."""
        self.state = HealthState.UNTESTED if self_test else HealthState.HEALTHY
        self.fault: Failed | None = None
        self.mismatch: str | None = None
        self.answered_at = -math.inf
        self._self_test = self_test
        self._faults = 0
        self._opened_at = -math.inf
        self._probing = False
        self._unreachable = False
        # How long requests have waited without an answer since the answer at this time.
        self._unanswered_seconds, self._unanswered_since = 0.0, -math.inf

    def __repr__(self) -> str:
        probe = ", probe in flight" if self._probing else ""
        fault = f", last {self.fault.why}" if self.fault else ""
        return f"<ServerHealth {self.state}: {self._faults} faults in a row{fault}{probe}>"

    @property
    def trusted(self) -> bool:
        """Whether scores may be used."""
        return self.state in TRUSTED_STATES

    @property
    def problem(self) -> str:
        """What is wrong, as shown in logs and on the admin pages; empty if nothing is."""
        if self.mismatch:
            return f"{Why.SELF_TEST}: {self.mismatch}"
        return f"{self.fault.why}: {self.fault.detail}" if self.fault else ""

    def admits(self, now: float) -> bool:
        """Return whether a search may be sent at *now* (monotonic seconds)."""
        if self.state is HealthState.OPEN:
            return not self._probing and now - self._opened_at >= PAUSE_SECONDS
        return self.trusted

    def answered(self, now: float) -> bool:
        """Record an answer at *now* (monotonic seconds); return whether the server was unreachable before."""
        returned = self._unreachable
        self.answered_at = now
        self._forget_faults()
        self._apply(HealthEvent.RETURNED if returned and self._self_test else HealthEvent.ANSWERED)
        return returned

    def failed(self, fault: Failed, now: float) -> None:
        """Record a fault at *now* (monotonic seconds)."""
        self.fault = fault
        self._faults += 1
        self._probing = False
        self._unreachable = self._unreachable or fault.why is Why.UNREACHABLE
        self._apply(HealthEvent.FAILED if self._faults < MAX_FAULTS else HealthEvent.FAILED_TOO_OFTEN)
        if self.state is HealthState.OPEN:
            self._opened_at = now

    def is_silent(self, sent_at: float, now: float) -> bool:
        """Return whether a request without an answer in time is the server's fault.

        It is not if other requests were answered since it was sent: then the server was busy.

        Args:
            sent_at: When the request was sent, in monotonic seconds.
            now: When it ended.

        """
        if self.answered_at > sent_at:
            return False
        if self._unanswered_since != self.answered_at:
            self._unanswered_seconds, self._unanswered_since = 0.0, self.answered_at
        self._unanswered_seconds += now - sent_at
        return self._unanswered_seconds >= SILENCE_SECONDS

    def probe_sent(self) -> None:
        """Record that a request is sent; if the circuit breaker is open, no other one is sent until it ends."""
        self._apply(HealthEvent.PROBE_SENT)
        self._probing = self.state is HealthState.OPEN

    def probe_released(self) -> None:
        """Record that a request ended without saying anything about the server."""
        self._apply(HealthEvent.PROBE_RELEASED)
        self._probing = False

    def self_test_passed(self) -> None:
        """Record that the known pairs were ranked correctly."""
        self.mismatch = None
        self._forget_faults()
        self._apply(HealthEvent.SELF_TEST_PASSED)

    def self_test_failed(self, mismatch: str) -> None:
        """Record that the known pairs were ranked wrongly, and in which way."""
        self.mismatch = mismatch
        self._apply(HealthEvent.SELF_TEST_FAILED)

    def _forget_faults(self) -> None:
        """Reset everything that faults have left."""
        self.fault, self._faults, self._probing, self._unreachable = None, 0, False, False

    def _apply(self, event: HealthEvent) -> None:
        """Move to the next state."""
        self.state = TRANSITIONS[self.state, event]
