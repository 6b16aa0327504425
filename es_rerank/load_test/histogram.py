"""Histograms of times. Format: HdrHistogram, with three significant digits."""

from __future__ import annotations

from es_rerank.evaluation.extra import library

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_HOUR_US = 3_600_000_000
_DIGITS = 3
_US = 1e6


class Histogram:
    """Times in seconds, with a resolution of a microsecond. Times over an hour count as an hour."""

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
        """Return a percentile in seconds, *share* from 0 to 100; 0 if there are no times."""
        return float(self._counts.get_value_at_percentile(share)) / _US if self.count else 0.0

    def summary(self) -> dict[str, float]:
        """Return the mean, the percentiles and the maximum in seconds, by name; empty if there are no times."""
        if not self.count:
            return {}
        shares = {f"p{share:g}": self.percentile(share) for share in PERCENTILES}
        return {"mean": float(self._counts.get_mean_value()) / _US, **shares, "max": self.percentile(100)}

    def encoded(self) -> str:
        """Return the histogram in HdrHistogram's compressed format V2, in base64. Its unit is a microsecond.

        Format: https://github.com/HdrHistogram/HdrHistogram
        """
        return bytes(self._counts.encode()).decode("ascii")
