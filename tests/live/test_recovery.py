"""vLLM is killed and restarted as in the demo, without any traffic: no process of it is left, and it is used again."""

from __future__ import annotations

import os
import signal
import time

import psutil

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.supervisor import Supervisor
from es_rerank_lab.parts.vllm import ModelServer
from tests.processes import wait_for

from .conftest import Serve
from .endpoint import WELL
from .faulty import LIMIT_S
from .models import Models
from .storm import INDEX, WINDOW, filled, outcome_of, query

RESTART_LIMIT_S = 300.0


def running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_without_traffic_a_restarted_model_is_ready_and_used_and_nothing_of_the_killed_one_is_left(
    opensearch: Engine, serve: Serve, models: Models, minilm: ModelServer
) -> None:
    filled(opensearch.url)
    endpoint = serve(opensearch.url, *models.flags("minilm"), "--window", f"{WINDOW}")
    endpoint.await_health("ok")
    dead = [psutil.Process(minilm.pid), *psutil.Process(minilm.pid).children(recursive=True)]
    assert len(dead) > 1, "vLLM has an engine process of its own"
    messages: list[str] = []
    with Supervisor([minilm], messages.append):
        os.kill(minilm.pid, signal.SIGKILL)
        wait_for(lambda: outcome_of(endpoint.search(INDEX, query(1))) == "unreachable")
        assert endpoint.await_health("degraded")["engine"] == "ok"
        wait_for(lambda: not any(running(process) for process in dead), limit_s=LIMIT_S)
        wait_for(minilm.ready, limit_s=RESTART_LIMIT_S)
        returned = time.monotonic()
        assert endpoint.await_health("ok", LIMIT_S) == WELL
        print(f"ready {time.monotonic() - returned:.1f} s after vLLM responds")  # noqa: T201
        assert outcome_of(endpoint.search(INDEX, query(2))) == "reranked"
        metrics = endpoint.page("GET", "/metrics").body.decode()
    assert "es_rerank_degraded 0.0" in metrics
    assert minilm.pid not in [process.pid for process in dead]
