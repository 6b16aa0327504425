"""Searches that are reranked through a real Ray Serve, of whose two replicas one is killed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from es_rerank.testing import until
from es_rerank_lab.parts.cache import cache_folder, prepared
from es_rerank_lab.parts.port import HOST
from es_rerank_lab.parts.probe import Probe
from es_rerank_lab.parts.process import Command, Process, await_ready
from tests.bench.load import Sample, reranker_flags
from tests.bench.serving import started

from .clients.install import tool
from .endpoint import Endpoint, start_endpoint
from .fleet import searching
from .ports import free_ports
from .wire import ask

APP = Path(__file__).parent / "ray_serve" / "app.py"
PINS = Path(__file__).parent.parent.parent / "requirements" / "ray.txt"
LIMIT_S = 180.0
SEARCHES = 50


def install(target: Path) -> None:
    """Install Ray, which the other tests do not need."""
    flags = ["--target", str(target), "--python", sys.executable, "--require-hashes", "--no-deps", "-r", str(PINS)]
    subprocess.run([tool("uv"), "pip", "install", "-q", *flags], check=True, timeout=LIMIT_S)


@pytest.fixture
def ray(tmp_path: Path) -> Iterator[str]:
    """Run Ray Serve, and return its base URL."""
    digest = hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]
    packages = prepared(cache_folder() / f"ray-{sys.implementation.cache_tag}-{digest}", install)
    (port,) = free_ports(1)
    env = os.environ | {"PYTHONPATH": str(packages), "RAY_USAGE_STATS_ENABLED": "0"}
    # Ray puts sockets, whose paths must be short, into this folder.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        argv = [sys.executable, str(APP), str(port), folder]
        process = Process(Command(argv=argv, log=tmp_path / "ray.log", env=env))
        try:
            url = f"http://{HOST}:{port}/v1"
            await_ready(process, Probe(f"{url}/pid").answers, "Ray Serve", LIMIT_S)
            yield url
        finally:
            process.stop()


def replicas(url: str) -> set[int]:
    """Return the process IDs of the replicas."""
    return {int(ask(url, "GET", "/v1/pid").body) for _ in range(30)}


async def searched(endpoint: Endpoint, url: str) -> list[Sample]:
    """Search, and kill one replica in between."""
    async with searching(endpoint.url, at_once=3, pause=0.02) as samples:
        await until(lambda: len(samples) > SEARCHES, LIMIT_S)
        before = await asyncio.to_thread(replicas, url)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        count = len(samples)
        await until(lambda: len(samples) > count + 2 * SEARCHES, LIMIT_S)
    return samples


def test_no_search_fails_if_a_replica_of_ray_serve_is_killed(ray: str, tmp_path: Path) -> None:
    with started("tests.bench.recorded", "30") as engine:
        endpoint = start_endpoint(engine, tmp_path / "endpoint.log", *reranker_flags(ray), "--log-level", "warning")
        try:
            samples = asyncio.run(searched(endpoint, ray))
        finally:
            endpoint.process.stop()
    assert {(one.status, one.reranked) for one in samples} == {(200, True)}
