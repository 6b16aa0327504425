"""The endpoint under test, started as users start it: `python -m es_rerank serve ...`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from es_rerank_lab.parts.port import HOST
from es_rerank_lab.parts.probe import Probe
from es_rerank_lab.parts.process import Command, Process, await_ready

from .ports import free_ports
from .watch import watch
from .wire import Answer, ask

START_LIMIT_S = 60.0
READY_LIMIT_S = 90.0
# The readiness response while nothing fails.
WELL = {"status": "ok", "engine": "ok", "reranker": "ok"}
IDENTITY = ("--backend", "identity")


@dataclass(frozen=True)
class Endpoint:
    """A running `es-rerank serve`; `admin_listen` is the URL of its admin pages."""

    url: str
    admin_listen: str
    process: Process

    def ask(self, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        return ask(self.url, method, target, body, headers)

    def page(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Request one of the admin pages."""
        return ask(self.admin_listen, method, f"/_rerank{path}", body, headers)

    def search(self, index: str, body: object, **parameters: object) -> Answer:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return self.ask("POST", f"/{index}/_search?{query}", body)

    @property
    def health(self) -> dict[str, Any]:
        return dict(self.page("GET", "/health/ready").json)

    def await_health(self, wanted: str, limit_s: float = READY_LIMIT_S) -> dict[str, Any]:
        """Return the readiness response as soon as its status is *wanted*."""
        deadline = time.monotonic() + limit_s
        while (health := self.health)["status"] != wanted:
            assert time.monotonic() < deadline, f"{health} after {limit_s} s, not {wanted}"
            time.sleep(0.2)
        return health


def start_endpoint(upstream: str, log: Path, *flags: str) -> Endpoint:
    """Start an endpoint in front of *upstream* on free ports, and return when it is live."""
    listen, pages = (f"{HOST}:{port}" for port in free_ports(2))
    own: tuple[str, ...] = ("--admin-listen", pages)
    if "--admin-listen" in flags:
        pages, own = listen, ()
    env = {name: value for name, value in os.environ.items() if not name.startswith("ES_RERANK_")}
    argv = [sys.executable, "-m", "es_rerank", "serve", "--listen", listen, *own, "--upstream", upstream, *flags]
    process = Process(Command(argv=argv, log=log, env=env))
    watch(f"es-rerank {' '.join(flags)}", process)
    found = Endpoint(f"http://{listen}", f"http://{pages}", process)
    try:
        await_ready(process, Probe(f"{found.admin_listen}/_rerank/health/live").answers, "es-rerank", START_LIMIT_S)
    except BaseException:
        process.kill()
        raise
    return found
