"""The peer: OpenSearch's own rerank pipeline, with the plugins for machine learning, on the same rerank server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from es_rerank_lab.parts.engines import EngineOptions, start_engine
from es_rerank_lab.parts.plugins import RERANKING
from tests.bench.load import DOCUMENTS, INDEX, document
from tests.live.wire import ask, fill

PIPELINE = "rerank"
# Loading the plugins took a minute on two idle cores, and more than three minutes beside other work.
_START_SECONDS = 600.0
_DEPLOY_SECONDS = 60.0
_SETTINGS: dict[str, object] = {
    "plugins.ml_commons.connector.private_ip_enabled": True,
    "plugins.ml_commons.only_run_on_ml_node": False,
    "plugins.ml_commons.trusted_connector_endpoints_regex": [r"^http://127\.0\.0\.1:.*$"],
    # The heap is small, and nothing else runs on this node.
    "plugins.ml_commons.jvm_heap_memory_threshold": 100,
    "plugins.ml_commons.native_memory_threshold": 100,
}
# The built-in function `connector.post_process.cohere.rerank` fails on scores with 16 digits.
_SCORES = """
def scores = new double[params.results.size()];
for (def row : params.results) { scores[(int) row.index] = ((Number) row.relevance_score).doubleValue(); }
StringBuilder out = new StringBuilder('[');
for (int at = 0; at < scores.length; at++) {
  if (at > 0) { out.append(','); }
  out.append('{"name":"similarity","data_type":"FLOAT32","shape":[1],"data":[').append(scores[at]).append(']}');
}
return out.append(']').toString();
"""
_REQUEST = (
    '{"model": "${parameters.model}", "query": "${parameters.query}", "documents": ${parameters.documents}, '
    '"top_n": ${parameters.top_n}}'
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A running OpenSearch with a rerank pipeline: its URL, and the seconds that its start took."""

    url: str
    start_seconds: float


@contextmanager
def opensearch_with_pipeline(words: int, reranker: str, window: int, page: int, model: str = "stub") -> Iterator[Peer]:
    """Run OpenSearch with the documents of the load benchmark, and a search pipeline that reranks them.

    The pipeline fetches *window* hits, reranks them with *model* at the URL *reranker*, and returns *page* of them, as
    es-rerank does. Without `oversample` and `truncate_hits` it would rerank only the page.
    """
    options = EngineOptions(heap="1g", settings=_SETTINGS, plugins=RERANKING, timeout_seconds=_START_SECONDS)
    started_at = time.monotonic()
    with start_engine("opensearch", options=options) as engine:
        seconds = time.monotonic() - started_at
        documents = {f"d{number}": document(number, words) for number in range(DOCUMENTS)}
        fill(engine.url, INDEX, {"properties": {"body": {"type": "text"}}}, documents)
        _create_pipeline(engine.url, _deployed(engine.url, reranker, model), window / page)
        yield Peer(engine.url, seconds)


def pipeline_search(query: dict[str, Any], text: str, page: int) -> bytes:
    """Return the body of a search that the pipeline reranks."""
    rerank = {"query_context": {"query_text": text}}
    return json.dumps({"query": query, "size": page, "ext": {"rerank": rerank}}).encode()


def _deployed(engine: str, reranker: str, model: str) -> str:
    """Register the rerank server as a model, and return its id as soon as it can be used."""
    action = {
        "action_type": "predict",
        "method": "POST",
        "url": f"{reranker}/rerank",
        "headers": {"Content-Type": "application/json"},
        "request_body": _REQUEST,
        "pre_process_function": "connector.pre_process.cohere.rerank",
        "post_process_function": _SCORES,
    }
    connector = {
        "name": "rerank server",
        "description": "a rerank server",
        "version": "1",
        "protocol": "http",
        "parameters": {"model": model},
        "credential": {"unused": "unused"},
        "actions": [action],
    }
    created = _sent(engine, "POST", "/_plugins/_ml/connectors/_create", connector)
    remote = {"name": "reranker", "function_name": "remote", "connector_id": created["connector_id"]}
    registered = _sent(engine, "POST", "/_plugins/_ml/models/_register?deploy=true", remote)
    until = time.monotonic() + _DEPLOY_SECONDS
    while (task := _sent(engine, "GET", f"/_plugins/_ml/tasks/{registered['task_id']}"))["state"] != "COMPLETED":
        if time.monotonic() > until:
            raise RuntimeError(f"the model was not deployed: {task}")
        time.sleep(0.5)
    return str(task["model_id"])


def _create_pipeline(engine: str, model: str, factor: float) -> None:
    """Create the search pipeline."""
    rerank = {"ml_opensearch": {"model_id": model}, "context": {"document_fields": ["body"]}}
    body = {
        "request_processors": [{"oversample": {"sample_factor": factor}}],
        "response_processors": [{"rerank": rerank}, {"truncate_hits": {}}],
    }
    _sent(engine, "PUT", f"/_search/pipeline/{PIPELINE}", body)


def _sent(engine: str, method: str, target: str, body: object = None) -> dict[str, Any]:
    """Send a request. Raises RuntimeError if its status is not 200."""
    answer = ask(engine, method, target, body)
    if answer.status != 200:
        raise RuntimeError(f"{method} {target}: status {answer.status}: {answer.body[:500]!r}")
    return dict(answer.json)
