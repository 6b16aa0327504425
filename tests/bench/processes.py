"""Processor time and memory of an endpoint, all of its worker processes together."""

from __future__ import annotations

import psutil

from tests.live.endpoint import Endpoint


def _processes(endpoint: Endpoint) -> list[psutil.Process]:
    parent = psutil.Process(endpoint.process.pid)
    return [parent, *parent.children(recursive=True)]


def cpu_ms(endpoint: Endpoint) -> float:
    """Return the processor time so far, in milliseconds."""
    times = [process.cpu_times() for process in _processes(endpoint)]
    return float(sum(one.user + one.system for one in times)) * 1e3


def resident_mib(endpoint: Endpoint) -> float:
    """Return the resident memory in MiB."""
    return float(sum(process.memory_info().rss for process in _processes(endpoint))) / 2**20
