"""Ports for servers of the tests, below the range of ephemeral ports, so that they stay free."""

from __future__ import annotations

import random
from contextlib import suppress

from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.port import claim_port

PORTS = range(20_000, 32_000)
_TRIES = 100


def free_ports(many: int) -> range:
    """Return *count* consecutive free ports."""
    for first in random.sample(PORTS, _TRIES):
        found = range(first, first + many)
        with suppress(PartError):
            for port in found:
                claim_port(port)
            return found
    raise AssertionError(f"no {many} free ports in a row among {PORTS}")
