"""Histograms of times in seconds, in HdrHistogram format with three significant digits."""

from __future__ import annotations

from es_rerank.evaluation.extra import library

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_HOUR_US = 3_600_000_000
_DIGITS = 3
_US = 1e6


class Histogram:
    """A histogram of times in seconds. Its resolution is one microsecond; times over one hour count as one hour."""

    def __init__(self) -> None:
        """Create an empty histogram. Raises EsRerankError if the package hdrhistogram is not installed."""
        self._counts = library("hdrh.histogram", "bench").HdrHistogram(1, _HOUR_US, _DIGITS)

    def record(self, seconds: float) -> None:
        """Record a time, in seconds."""
        self._counts.record_value(min(max(1, round(seconds * _US)), _HOUR_US))

    @property
    def count(self) -> int:
        """The number of recorded times."""
        return int(self._counts.get_total_count())

    def percentile(self, share: float) -> float:
        """Return the percentile *share* (0 to 100) of the recorded times in seconds; 0 if no times were recorded."""
        return float(self._counts.get_value_at_percentile(share)) / _US if self.count else 0.0

    def summary(self) -> dict[str, float]:
        """Return `mean`, `p50` and other percentiles, and `max`, in seconds; empty if no times were recorded."""
        if not self.count:
            return {}
        shares = {f"p{share:g}": self.percentile(share) for share in PERCENTILES}
        return {"mean": float(self._counts.get_mean_value()) / _US, **shares, "max": self.percentile(100)}

    def encoded(self) -> str:
        """Return the histogram in HdrHistogram's compressed format V2, in base64. Its values are in microseconds.

        Format: https://github.com/HdrHistogram/HdrHistogram
        """
        return bytes(self._counts.encode()).decode("ascii")
