"""The errors of a first day: the real command reports each in one message with the remedy. `-s` prints the times."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from es_rerank.testing import FakeResponse, FakeServer, score_response, serve_fake

FREE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
# No reranker, or an engine that is not part of the test.
LOCAL = ("--backend", "identity")
ENGINE = FakeServer({"": FakeResponse(b"{}")})
LIMIT_S = 60


@contextmanager
def serving(*flags: str) -> Iterator[subprocess.Popen[str]]:
    """Run `es-rerank serve` without the environment's settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ES_RERANK_")}
    command = [sys.executable, "-m", "tests.cli.program", "serve", *flags]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(*flags: str, event: str = "", lines: int = 10) -> str:
    """Return the first line that the command prints, or the event of that name, and print when that was."""
    started = time.monotonic()
    with serving(*flags) as process:
        assert process.stderr
        for line in (process.stderr.readline().rstrip("\n") for _ in range(lines)):
            if not event or json.loads(line)["event"].startswith(event):
                print(f"\n{time.monotonic() - started:.2f} s: {line}")  # noqa: T201
                return line
    raise AssertionError(f"no event {event!r}")


def logged(flags: Sequence[str], event: str) -> dict[str, Any]:
    return dict(json.loads(told(*flags, event=event)))


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        line = told("--listen", place, "--admin-listen", "127.0.0.1:0", *LOCAL)
    assert line == (
        f"es-rerank: cannot listen on {place}: it is in use by another program; choose another with --listen"
    )


def test_a_rule_with_a_slip(tmp_path: Path) -> None:
    rule = tmp_path / "articles.yaml"
    rule.write_text("index: articles\nwindw: 20\n")
    assert told(*FREE, *LOCAL, "--mappings", str(tmp_path)) == (
        f"es-rerank: {rule}:2: windw: unknown key; did you mean `window`?"
    )


def test_a_wrong_engine_url() -> None:
    found = logged([*FREE, *LOCAL, "--upstream", "http://127.0.0.1:9"], "engine")
    assert found["event"] == "engine unreachable"
    assert found["upstream"] == ["http://127.0.0.1:9"]
    assert found["reason"] == "the engine cannot be reached: connection refused"
    assert found["do"].startswith(
        "Check that the engine runs, and that `upstream` is its URL, with `https` if it uses TLS."
    )


async def test_a_wrong_model_name() -> None:
    missing = FakeResponse(b'{"error":{"message":"The model does not exist."}}', status=404)
    models = FakeResponse(b'{"data":[{"id":"BAAI/bge-reranker-v2-m3","root":"/models/bge"}]}')
    async with (
        serve_fake(ENGINE) as engine,
        serve_fake(FakeServer({"/v1/models": models, "": missing})) as server,
    ):
        flags = [*FREE, "--upstream", engine.url, "--reranker", server.url, "--profile", "bge-reranker"]
        found = await asyncio.to_thread(logged, [*flags, "--model", "bge"], "reranker failed")
    assert found["detail"] == "the server does not have the model `bge`: set `model` to `BAAI/bge-reranker-v2-m3`"
    assert found["do"] == "Check `profile`, `model`, `backend` and `reranker_api_key`."


async def test_a_server_without_its_template() -> None:
    async with (
        serve_fake(ENGINE) as engine,
        serve_fake(FakeServer({"": score_response({"washer": -0.1}, default=0.1)})) as server,
    ):
        flags = [*FREE, "--upstream", engine.url, "--reranker", server.url]
        found = await asyncio.to_thread(logged, flags, "self-test failed")
    assert found["reason"].endswith("known pairs are in the wrong order: is the prompt template set?")
    assert found["do"] == "Start vLLM with `es-rerank model serve`, and check `profile`."
