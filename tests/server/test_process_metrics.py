from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from es_rerank.server.process_metrics import ProcessMetrics


def values(registry: CollectorRegistry) -> dict[str, float]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if line.startswith("process_")]
    return {name: float(value) for name, value in (line.split() for line in lines)}


def test_the_standard_metrics_of_a_process_are_exposed() -> None:
    registry = CollectorRegistry()
    metrics = ProcessMetrics(registry)
    metrics.update()
    first = values(registry)
    assert first["process_resident_memory_bytes"] > 1e6
    assert first["process_open_fds"] > 2
    assert first["process_start_time_seconds"] > 1e9
    sum(number * number for number in range(1_000_000))
    metrics.update()
    assert values(registry)["process_cpu_seconds_total"] > first["process_cpu_seconds_total"] > 0
