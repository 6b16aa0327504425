"""Keeps searches from waiting for a model that does not answer. Pure: the time is passed in, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

_FAULTS_TO_OPEN = 3
_PAUSE = 1.0


@dataclass(slots=True)
class CircuitBreaker:
    """Closed: all may pass. Open after some faults in a row: nobody may. After a pause one at a time may try."""

    faults: int = 0
    opened: float | None = None
    trying: bool = False

    def permits(self, now: float) -> bool:
        """Tell whether the next one may pass."""
        return self.opened is None or (not self.trying and now - self.opened >= _PAUSE)

    def passed(self) -> None:
        """Note that one passes; behind an open breaker it is the probe that decides for all."""
        self.trying = self.opened is not None

    def spared(self) -> None:
        """Note that who passed has not tried."""
        self.trying = False

    def succeeded(self) -> None:
        """Note an answer of the model."""
        self.faults, self.opened, self.trying = 0, None, False

    def failed(self, now: float) -> None:
        """Note a fault of the model."""
        self.faults += 1
        self.trying = False
        if self.faults >= _FAULTS_TO_OPEN or self.opened is not None:
            self.opened = now
