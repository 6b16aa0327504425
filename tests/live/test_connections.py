"""Connections that are closed early, by either side, in front of real engines; and clients that sniff nodes."""

from __future__ import annotations

import json
import threading

import opensearchpy
import pytest
from elasticsearch import Elasticsearch

from es_rerank_lab.parts.engines import Engine
from tests.processes import wait_for

from .books import DOCUMENTS, INDEX, MAPPINGS
from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .raw import Peer, Raw, fields
from .wire import ask, fill

RIVER = {"match": {"body": "river"}}
SLOW = "slow"
# About a millisecond per document: the engine checks for cancellation every 2048 documents.
LOOP = "double f() { double s = 0; for (int i = 0; i < 900000; i++) { s += Math.sqrt(i) } return s } return 1 + 0 * f()"
# Without `min_score` nothing is computed if no hits are requested.
SLOW_QUERY = {"script_score": {"query": RIVER, "script": {"source": LOOP}, "min_score": 0.5}}
SLOW_DOCUMENTS = 150_000
# Much less than an uncancelled search takes.
CANCEL_LIMIT_S = 60.0
TOO_MUCH = 150_000_000


@pytest.fixture(scope="module")
def slow(opensearch: Engine) -> Engine:
    """OpenSearch with enough documents for a search of several minutes."""
    documents = {f"s{at}": {"body": "river"} for at in range(SLOW_DOCUMENTS)}
    fill(opensearch.url, SLOW, {"properties": {"body": {"type": "text"}}}, documents)
    return opensearch


def searching(engine: Engine) -> int:
    """Return the number of searches that the engine is running."""
    nodes = ask(engine.url, "GET", "/_tasks?actions=indices:data/read/search").json["nodes"]
    return sum(len(node["tasks"]) for node in nodes.values())


@pytest.mark.parametrize("size", [0, 10], ids=["streamed", "reranked"])
def test_a_search_is_cancelled_when_its_client_disconnects(size: int, slow: Engine, serve: Serve) -> None:
    endpoint = serve(slow.url, *IDENTITY)
    body = b'{"size":%d,"query":%b}' % (size, json.dumps(SLOW_QUERY).encode())
    head = fields(
        f"POST /{SLOW}/_search HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"
    )
    with Peer(endpoint.url) as peer:
        peer.send(head + body)
        wait_for(lambda: searching(slow) > 0, "the search never began", 20.0)
    wait_for(lambda: searching(slow) == 0, "the search goes on without its client", CANCEL_LIMIT_S)


def test_an_error_is_received_while_the_client_is_still_sending(engine: Engine, serve: Serve) -> None:
    """A body over the engine's limit (100 MB) is rejected after its head."""
    direct, through = (refused(url) for url in (engine.url, serve(engine.url, *IDENTITY).url))
    assert direct.status == 413
    assert (through.status, through.body, through.header("Content-Type")) == (
        413,
        direct.body,
        direct.header("Content-Type"),
    )
    assert serve(engine.url, *IDENTITY).ask("GET", "/_cluster/health").status == 200


def refused(url: str) -> Raw:
    """Send too many bytes, and read the response at the same time."""
    head = fields(
        "POST /_bulk HTTP/1.1", "Host: x", "Content-Type: application/x-ndjson", f"Content-Length: {TOO_MUCH}"
    )
    line = b'{"index":{"_index":"too-much"}}\n{"body":"' + b"x" * 65_000 + b'"}\n'
    stop = threading.Event()

    def send(peer: Peer) -> None:
        for _ in range(TOO_MUCH // len(line)):
            if stop.is_set():
                break
            peer.send(line)

    with Peer(url) as peer:
        peer.send(head)
        sending = threading.Thread(target=send, args=(peer,))
        sending.start()
        try:
            answer = peer.answer()
        finally:
            stop.set()
            sending.join(30)
    assert answer is not None
    return answer


@pytest.fixture
def sniffed(engine: Engine, serve: Serve) -> Endpoint:
    """An endpoint that returns its own address to clients that sniff nodes."""
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    # The minimal Elasticsearch has no `GET /`, which some clients request first.
    shown = () if engine.name == "opensearch" else ("--emulate", "elasticsearch-8")
    return serve(engine.url, *IDENTITY, "--sniff", "rewrite", *shown)


def test_a_client_that_sniffs_nodes_keeps_using_the_endpoint(sniffed: Endpoint, engine: Engine) -> None:
    if engine.name == "opensearch":
        with opensearchpy.OpenSearch(sniffed.url, sniff_on_start=True) as client:
            assert {one.host for one in client.transport.connection_pool.connections} == {sniffed.url}
            assert len(client.search(index=INDEX, body={"query": RIVER})["hits"]["hits"]) > 0
        return
    with Elasticsearch(sniffed.url, sniff_on_start=True) as client:
        assert {node.base_url for node in client.transport.node_pool.all()} == {sniffed.url}
        for _ in range(4):
            assert client.search(index=INDEX, query=RIVER).meta.headers["X-Rerank"].startswith("reranked")
