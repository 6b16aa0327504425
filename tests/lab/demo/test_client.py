"""The client of the demo, against a fake engine."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from es_rerank.errors import EsRerankError
from es_rerank_lab.demo.client import INDEX, Access, Client, Hit, identified
from es_rerank_lab.demo.corpus import Document

HITS = {"hits": {"hits": [{"_id": "a", "_score": 1.5, "_source": {"title": "Anchor"}}]}}


class Engine(http.server.BaseHTTPRequestHandler):
    """Answers by method and path; a row is a status and a body."""

    answers: ClassVar[dict[str, tuple[int, Any]]] = {}
    requested: ClassVar[list[str]] = []

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = f"{self.command} {self.path.partition('?')[0]}"
        self.requested.append(key)
        status, body = self.answers.get(key, (404, {"error": {"type": "x", "reason": key}, "status": 404}))
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the names http.server calls

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    Engine.answers = {
        f"DELETE /{INDEX}": (200, {"acknowledged": True}),
        f"PUT /{INDEX}": (200, {"acknowledged": True}),
        "PUT /_bulk": (200, {"errors": False, "items": [{"index": {"_id": "a", "status": 201}}]}),
        "POST /_bulk": (200, {"errors": False, "items": [{"index": {"_id": "a", "status": 201}}]}),
        f"POST /{INDEX}/_search": (200, HITS),
    }
    Engine.requested.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_it_replaces_the_index_and_searches(url: str, kind: str) -> None:
    client = Client(Access(kind, url))
    client.load([Document("a", "en", "Anchor", "It holds a ship.")])
    assert Engine.requested[:2] == [f"DELETE /{INDEX}", f"PUT /{INDEX}"]
    assert client.search("ship") == [Hit("a", "Anchor", 1.5)]


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_an_error_of_the_engine_is_reported_with_its_message(url: str, kind: str) -> None:
    Engine.answers[f"POST /{INDEX}/_search"] = (400, {"error": {"type": "parsing_exception", "reason": "no"}})
    with pytest.raises(EsRerankError, match=r"the search failed: .*parsing_exception"):
        Client(Access(kind, url)).search("ship")


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_clearing_a_stopped_engine_has_no_effect(kind: str) -> None:
    Client(Access(kind, "http://127.0.0.1:1")).clear()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"version": {"number": "3.6.0", "distribution": "opensearch"}}, "opensearch"),
        (200, {"version": {"number": "9.1.0"}}, "elasticsearch"),
        (405, {"error": "Incorrect HTTP method for uri [/]"}, "elasticsearch"),
    ],
)
def test_the_engine_is_identified(url: str, status: int, body: Any, kind: str) -> None:
    Engine.answers["GET /"] = (status, body)
    assert identified(Access("opensearch", url)).kind == kind


@pytest.mark.parametrize(("status", "message"), [(401, "401"), (404, "404")])
def test_an_engine_that_refuses_is_reported(url: str, status: int, message: str) -> None:
    Engine.answers["GET /"] = (status, {"error": {"type": "security_exception", "reason": "no"}})
    with pytest.raises(EsRerankError, match=message):
        identified(Access("opensearch", url))


def test_an_engine_that_cannot_be_reached_is_reported() -> None:
    with pytest.raises(EsRerankError) as error:
        identified(Access("opensearch", "http://127.0.0.1:1"))
    assert str(error.value).startswith("http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused; check ")
