"""The standard metrics of processes (`process_*`), as the sum over all workers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

# The workers' minimum of this metric is exposed: the start time of the first worker. All other metrics are added up.
_START = "process_start_time_seconds"


class ProcessMetrics:
    """The metrics of this process, in a form that can be combined with the metrics of other workers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the process metrics that are available on this platform."""
        # A registry of its own, because the collector's values cannot be combined over workers.
        self._source = ProcessCollector(registry=CollectorRegistry())
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._counted: dict[str, float] = {}
        for family in self._source.collect():
            if family.type == "counter":
                self._counters[family.name] = Counter(family.name, family.documentation, registry=registry)
                continue
            mode = "livemin" if family.name == _START else "livesum"
            self._gauges[family.name] = Gauge(
                family.name,
                family.documentation,
                registry=registry,
                multiprocess_mode=mode,  # type: ignore[arg-type]
            )

    def update(self) -> None:
        """Set the registered metrics to the current values of this process."""
        for family in self._source.collect():
            for sample in family.samples:
                if family.name in self._gauges:
                    self._gauges[family.name].set(sample.value)
                else:
                    self._counters[family.name].inc(sample.value - self._counted.get(family.name, 0.0))
                    self._counted[family.name] = sample.value
