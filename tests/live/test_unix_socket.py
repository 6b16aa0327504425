"""vLLM on a Unix socket: `es-rerank model serve PROFILE --uds PATH`, and `reranker: unix:PATH`."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from es_rerank.rerank.profiles import PROFILES, server_flags
from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.process import Command, Process

from .conftest import Serve
from .endpoint import WELL
from .models import Models
from .test_e5 import LANGUAGES, MAPPINGS, MODEL_ORDER, match
from .watch import watch
from .wire import fill

START_LIMIT_S = 300.0


@pytest.fixture
def path(models: Models, tmp_path: Path) -> Iterator[Path]:
    """The socket of a vLLM with all-MiniLM-L6-v2, which is starting."""
    models.stop()
    with tempfile.TemporaryDirectory() as folder:
        # The path of a socket has at most 107 characters.
        found = Path(folder) / "vllm.sock"
        flags = [*server_flags(PROFILES["minilm"], str(models.weights("minilm"))), "--uds", str(found)]
        argv = [sys.executable, "-m", "es_rerank", "model", "serve", "minilm", "--", *flags]
        process = Process(Command(argv=argv, log=tmp_path / "vllm.log", env=dict(os.environ)))
        watch("vLLM on a Unix socket", process)
        try:
            yield found
        finally:
            process.stop()


def test_searches_are_reranked_by_vllm_on_a_unix_socket(
    opensearch: Engine, serve: Serve, models: Models, path: Path
) -> None:
    query, texts = LANGUAGES["en"]
    fill(opensearch.url, "socket", MAPPINGS, {name: {"body": text} for name, text in texts.items()})
    endpoint = serve(opensearch.url, *models.flags("minilm"), *MODEL_ORDER, "--reranker", f"unix:{path}")
    assert endpoint.await_health("ok", START_LIMIT_S) == WELL
    answer = endpoint.search("socket", match(query))
    assert answer.outcome.startswith("reranked; window=3; cached=0; ")
    assert answer.ids[0] == "answer"
    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(path)) == 0
