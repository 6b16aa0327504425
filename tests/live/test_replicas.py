"""Several endpoints at three times the load that their rerank servers can handle: no flood, no starvation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bench.replicas import Fleet, Measured, arguments, fleet, measured

SHORT = ("--endpoints", "4", "--best", "5", "--seconds", "12")


def run(folder: Path, *flags: str) -> Measured:
    options = arguments([*SHORT, *flags])
    with fleet(folder, options) as running:
        assert isinstance(running, Fleet)
        return asyncio.run(measured(running, options))


@pytest.mark.parametrize(
    ("flags", "capacity", "least"),
    [
        (("--servers", "1"), 1.0, 0.85),
        # The load changes within seconds, in a short test. One server has a tenth of its rate, and one is killed.
        (("--servers", "3", "--rate", "20000", "--slow", "--kill"), (0.1 + 1 + 1 / 3) / 3, 0.6),
    ],
    ids=["one server", "three servers, one slow, one killed"],
)
def test_four_endpoints_use_what_the_servers_can_do(
    tmp_path: Path, flags: tuple[str, ...], capacity: float, least: float
) -> None:
    found = run(tmp_path, *flags)
    assert {one.status for one in found.samples} == {200}
    assert found.ratio >= least * capacity
