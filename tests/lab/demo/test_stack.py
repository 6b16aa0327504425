"""How the demo configures its parts, without starting them."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from es_rerank.errors import EsRerankError
from es_rerank_lab.demo import stack
from es_rerank_lab.demo.client import Access
from es_rerank_lab.demo.stack import Model, Options
from es_rerank_lab.parts.progress import QUIET


def flags(options: Options, access: Access, model: Model) -> dict[str, str]:
    words = stack._flags(options, access, model)
    return dict(zip(words[::2], words[1::2], strict=True))


def test_the_flags_of_the_endpoint() -> None:
    found = flags(Options(), Access("opensearch", "http://127.0.0.1:9200"), Model("http://m", "e5", None, "/weights"))
    assert found["--upstream"] == "http://127.0.0.1:9200"
    assert (found["--listen"], found["--admin-listen"]) == ("127.0.0.1:9280", "127.0.0.1:9281")
    assert found["--profile"] == "e5"
    assert (found["--tokenizer"], found["--policy"]) == ("/weights", "replace")
    assert "--upstream-ca" not in found
    assert "--model" not in found


def test_the_profile_belongs_to_the_chosen_model() -> None:
    assert stack._default_profile(Options(model="Qwen/Qwen3-Reranker-4B")) == "qwen3-reranker-4b"
    assert stack._default_profile(Options(model="bge-reranker")) == "bge-reranker"


def test_the_default_profile_depends_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "on_cpu", lambda: True)
    assert stack._default_profile(Options()) == "e5"
    monkeypatch.setattr(stack, "on_cpu", lambda: False)
    assert stack._default_profile(Options()) == "qwen3-reranker-0.6b"


def test_settings_of_the_user_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_RERANK_WINDOW", "7")
    assert "ES_RERANK_WINDOW" not in stack._environment()


def test_a_port_in_use_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_PROBE_TIMEOUT_SECONDS", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EsRerankError, match=str(port)):
            stack.claim(Options(port=port))


def test_the_admin_pages_use_the_next_port_which_must_be_free_too(monkeypatch: pytest.MonkeyPatch) -> None:
    claimed: list[int] = []
    monkeypatch.setattr(stack, "_state", lambda _: {})
    monkeypatch.setattr(stack, "claim_port", claimed.append)
    stack.claim(Options(port=7000))
    assert claimed == [7000, 7001]
    assert Options(port=7000).admin_listen == "127.0.0.1:7001"


@pytest.fixture
def another_endpoint() -> Iterator[int]:
    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"status": "ok"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_another_running_demo_is_reported(another_endpoint: int) -> None:
    with pytest.raises(EsRerankError, match=r"another es-rerank is already listening .* perhaps another demo"):
        stack.claim(Options(port=another_endpoint - 1))


def test_a_failed_self_test_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_state", lambda _: {"status": "degraded", "why": "self_test: known pairs"})
    with pytest.raises(EsRerankError, match="self-test of the reranker failed: self_test: known pairs"):
        stack._ready("http://127.0.0.1:1")


def test_a_profile_can_be_chosen_as_model(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[list[str]] = []

    @contextmanager
    def started(argv: list[str], **_: object) -> Iterator[SimpleNamespace]:
        served.append(argv)
        yield vllm

    vllm, parts = SimpleNamespace(url="http://m"), []
    monkeypatch.setattr(stack, "start_vllm", started)
    with stack.model_server(Options(model="bge-reranker"), QUIET, parts) as model:
        assert model == Model("http://m", "bge-reranker", None, "auto")
    assert parts == [vllm]
    assert served[0][:2] == ["--model", "BAAI/bge-reranker-v2-m3"]
