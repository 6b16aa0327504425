"""Never worse than the engine alone: what clients see while the model, the engine or another client is gone."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from es_rerank.parts.engines import Engine, start_engine
from es_rerank.parts.port import claim_port
from es_rerank.parts.vllm import ModelServer

from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .models import Models
from .wire import Answer, ask, fill

INDEX = "storm"
SEARCHES = 200
AT_ONCE = 10
KILL_AFTER = 50
RECOVERY_S = 5.0
DOCUMENTS = {
    f"s{at}": {"body": f"Storm number {at} brought rain and wind. " + "Rain. " * (at % 7) + "Wind. " * (at % 3)}
    for at in range(30)
}


@pytest.fixture
def filled(opensearch: Engine) -> Engine:
    """OpenSearch with a few storms."""
    fill(opensearch.url, INDEX, {"properties": {"body": {"type": "text"}}}, DOCUMENTS)
    return opensearch


@pytest.fixture
def endpoint(filled: Engine, serve: Serve, models: Models, minilm: ModelServer) -> Endpoint:
    """An endpoint that reads ten hits."""
    found = serve(filled.url, *models.flags("minilm"), "--window", "10")
    found.await_health("ok")
    return found


def search(at: int) -> dict[str, object]:
    """Write one of many searches, each with words of its own, so that no score is remembered."""
    return {"query": {"match": {"body": f"rain and wind in storm {at}"}}, "size": 10}


def storm(endpoint: Endpoint, models: Models) -> list[Answer]:
    """Search many times at once, and kill the model in the midst of it."""
    done = threading.Semaphore(0)

    def one(at: int) -> Answer:
        try:
            return endpoint.search(INDEX, search(at))
        finally:
            done.release()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(one, at) for at in range(SEARCHES)]
        for _ in range(KILL_AFTER):
            done.acquire()
        models.kill()
        return [future.result() for future in running]


def test_a_killed_model_costs_no_search_and_a_restarted_one_is_used_within_five_seconds(
    filled: Engine, endpoint: Endpoint, models: Models, tmp_path: Path, serve: Serve
) -> None:
    answers = storm(endpoint, models)
    assert {answer.status for answer in answers} == {200}
    states = [answer.outcome.split("; ")[0] for answer in answers]
    assert set(states) == {"reranked", "failed"}
    assert states.count("failed") > SEARCHES // 2
    for at, answer in enumerate(answers):
        engine = ask(filled.url, "POST", f"/{INDEX}/_search", search(at))
        if states[at] == "failed":
            assert answer.outcome in {"failed; why=unreachable", "failed; why=breaker", "failed; why=bad_answer"}
            assert answer.hits == engine.hits
        assert sorted(answer.ids) == sorted(engine.ids)
    assert endpoint.health["status"] == "degraded"

    (tmp_path / "strict.yaml").write_text(f"index: {INDEX}\nstrict: true\n")
    strict = serve(filled.url, *models.flags("minilm"), "--mappings", str(tmp_path)).search(INDEX, search(0))
    assert (strict.status, strict.json["error"]["type"]) == (500, "rerank_exception")

    models.alive("minilm")
    started, again = time.monotonic(), SEARCHES
    while not endpoint.search(INDEX, search(again)).outcome.startswith("reranked"):
        again += 1
        time.sleep(0.1)
        assert time.monotonic() - started < RECOVERY_S, endpoint.health
    assert time.monotonic() - started < RECOVERY_S
    assert endpoint.await_health("ok") == {"status": "ok"}


def test_clients_that_go_away_hold_nothing_up(endpoint: Endpoint) -> None:
    host, _, port = urlsplit(endpoint.url).netloc.partition(":")
    body = b'{"query":{"match":{"body":"wind and rain for those who stay"}},"size":10}'
    head = f"POST /{INDEX}/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    for pause in [0.0, 0.002, 0.02, 0.05] * 10:
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(head.encode() + b"\r\n\r\n" + body)
            time.sleep(pause)
    for cut in (20, len(head), len(head) + 10):
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall((head.encode() + b"\r\n\r\n" + body)[:cut])
    answer = endpoint.ask("POST", f"/{INDEX}/_search", body, {"Content-Type": "application/json"})
    assert answer.outcome.startswith("reranked; window=10; ")
    assert endpoint.search(INDEX, search(1000)).outcome.startswith("reranked; window=10; cached=0; ")
    assert endpoint.health == {"status": "ok"}


def test_a_killed_engine_is_an_error_in_its_own_shape_until_it_is_back(serve: Serve) -> None:
    port = claim_port()
    with start_engine("elasticsearch", port=port) as engine:
        endpoint = serve(engine.url, *IDENTITY)
        fill(engine.url, INDEX, {}, DOCUMENTS)
        assert endpoint.search(INDEX, search(1)).outcome.startswith("reranked")
        engine.kill()
        for answer in (endpoint.search(INDEX, search(1)), endpoint.ask("GET", "/_cluster/health")):
            assert (answer.status, answer.header("Content-Type")) == (502, "application/json")
            assert answer.json["status"] == 502
            assert answer.json["error"]["type"] == "upstream_unreachable_exception"
            assert answer.json["error"]["root_cause"][0]["reason"] == answer.json["error"]["reason"]
    with start_engine("elasticsearch", port=port) as engine:
        fill(endpoint.url, INDEX, {}, DOCUMENTS)
        answer = endpoint.search(INDEX, search(1))
        assert (answer.status, answer.outcome.partition(";")[0]) == (200, "reranked")
