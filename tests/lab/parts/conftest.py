"""A file server on loopback, whose files each test defines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from es_rerank_lab.parts.account import Account


@dataclass
class FileServer:
    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    length: dict[str, int] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def _listening() -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requested.append(self.path)
            body = server.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(server.length.get(self.path, len(body or b""))))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = FileServer(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, args=(0.005,))
        thread.start()
        yield server
        http.shutdown()
        thread.join()


@pytest.fixture
def files(_listening: FileServer) -> FileServer:
    _listening.files.clear()
    _listening.length.clear()
    _listening.requested.clear()
    return _listening


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ES_RERANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def me() -> Account:
    """The current user, so no switch is needed."""
    return Account("me", 0, 0, switch=False)
