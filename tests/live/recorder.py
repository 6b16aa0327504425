"""A rerank server (TEI's API) in a thread, which records the texts that it is asked to score."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from es_rerank_lab.parts.port import HOST


@dataclass
class Recorder:
    """The texts of all requests so far; `flags` are those of an endpoint that uses the server."""

    url: str = ""
    texts: list[str] = field(default_factory=list)

    @property
    def flags(self) -> tuple[str, ...]:
        model = ("--backend", "tei", "--profile", "minilm", "--tokenizer", "estimate", "--score-cache-size", "0")
        return ("--reranker", self.url, *model, "--no-self-test", "--deadline", "30s")

    def taken(self) -> list[str]:
        """Return the texts since the last call."""
        texts, self.texts = self.texts, []
        return texts


@contextmanager
def recording(score: Callable[[str], float] = lambda _text: 0.5) -> Iterator[Recorder]:
    """Run a recorder while the context is open; *score* returns the score of a text."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
            recorder.texts += texts
            body = json.dumps([{"index": at, "score": score(text)} for at, text in enumerate(texts)]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    recorder.url = f"http://{HOST}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield recorder
    server.shutdown()
    server.server_close()
    thread.join()
