"""The model servers: real vLLM, one at a time, each with a fixed port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from es_rerank.rerank.profiles import PROFILES, server_flags
from es_rerank_lab.parts.vllm import ModelServer, start_vllm
from es_rerank_lab.parts.weights import e5_folder, minilm_folder

from .ports import free_ports
from .tiny_qwen3 import CONTEXT, tiny_qwen3
from .watch import watch

# The order in which tests use them; conftest.py sorts the tests by it.
PROFILE_OF: Mapping[str, str] = {"e5": "e5", "minilm": "minilm", "qwen3": "qwen3-reranker-0.6b"}
_FLAGS: Mapping[str, tuple[str, ...]] = {"qwen3": ("--max-model-len", str(CONTEXT))}


class Models:
    """Starts the model that a test needs, and stops the previous one."""

    def __init__(self, folder: Path) -> None:
        """Write logs and the tiny model to *folder*."""
        self._folder = folder
        self._ports = dict(zip(PROFILE_OF, free_ports(len(PROFILE_OF)), strict=True))
        self._weights: Mapping[str, Callable[[], Path]] = {
            "e5": e5_folder,
            "minilm": minilm_folder,
            "qwen3": lambda: tiny_qwen3(folder / "tiny-qwen3"),
        }
        self._name = ""
        self._server: ModelServer | None = None

    def weights(self, name: str) -> Path:
        """Return the folder of a model, which is created if necessary."""
        return self._weights[name]()

    def running(self, name: str) -> ModelServer:
        """Return the running server of a model."""
        if self._name != name or self._server is None:
            self.stop()
            self._server = self._start(name)
            self._name = name
        return self._server

    def kill(self) -> None:
        """Kill the running model with SIGKILL."""
        if self._server:
            self._server.kill()
            self._server = None

    def stop(self) -> None:
        """Stop the running model."""
        if self._server:
            self._server.stop()
            self._server = None

    def flags(self, name: str) -> list[str]:
        """Return the endpoint's flags for a model."""
        url = f"http://127.0.0.1:{self._ports[name]}"
        tokenizer = str(self.weights(name))
        return ["--reranker", url, "--profile", PROFILE_OF[name], "--tokenizer", tokenizer, "--deadline", "1m"]

    def _start(self, name: str) -> ModelServer:
        argv = server_flags(PROFILES[PROFILE_OF[name]], str(self.weights(name)))
        argv += ["--dtype", "float32", "--enforce-eager", *_FLAGS.get(name, ())]
        server = start_vllm(argv, port=self._ports[name], log=self._folder / f"vllm-{name}.log")
        watch(f"vLLM with {name}", server.process)
        return server
