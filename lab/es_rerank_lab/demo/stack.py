"""Starts and stops the three parts of the demo: engine, vLLM and endpoint.

If the user gives the URL of an engine or of a rerank server, it is used, and none is started. The functions append each
part that they start to *parts*, so that the supervisor can restart it.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from es_rerank.cli.vllm_command import on_cpu
from es_rerank.errors import EsRerankError
from es_rerank.rerank.profiles import PROFILES, server_flags
from es_rerank_lab.demo.client import Access, identified
from es_rerank_lab.parts.cache import RunFolder, cache_folder
from es_rerank_lab.parts.engines import start_engine
from es_rerank_lab.parts.port import HOST, claim_port
from es_rerank_lab.parts.process import Command, Process, await_ready
from es_rerank_lab.parts.progress import Reporter
from es_rerank_lab.parts.running import Running
from es_rerank_lab.parts.vllm import start_vllm
from es_rerank_lab.parts.weights import PACKAGED

_TITLE = "es-rerank"
_START_TIMEOUT_SECONDS = 180.0
_PROBE_TIMEOUT_SECONDS = 3
# On a CPU, models process only a few thousand tokens per second, so fewer passages of long documents are scored.
_MAX_SEARCH_TOKENS_ON_CPU = 6000


@dataclass(frozen=True, slots=True)
class Options:
    """The command-line options; see the help texts in `es_rerank_lab.cli`."""

    engine: str = "opensearch"
    engine_url: str | None = None
    engine_ca: Path | None = None
    reranker_url: str | None = None
    backend: str = "vllm"
    profile: str | None = None
    model: str | None = None
    port: int = 9280
    window: int = 30
    index: str | None = None
    query: tuple[str, ...] = ()

    @property
    def admin_listen(self) -> str:
        """The address of the admin pages: the endpoint's port plus 1."""
        return f"{HOST}:{self.port + 1}"


@dataclass(frozen=True, slots=True)
class Model:
    """A rerank server: its URL, profile, model and tokenizer."""

    url: str
    profile: str
    model: str | None
    tokenizer: str


@contextmanager
def engine(options: Options, reporter: Reporter, parts: list[Running]) -> Iterator[Access]:
    """Start the engine, or use the engine at `--engine-url`. Elasticsearch is started with security enabled."""
    if options.engine_url:
        yield _access(options.engine_url, options.engine_ca)
        return
    secured = options.engine == "elasticsearch"
    with start_engine(options.engine, security=secured, reporter=reporter) as running:
        parts.append(running)
        ca = str(running.ca) if running.ca else None
        yield Access(running.name, running.url, running.username, running.password, ca)


@contextmanager
def model_server(options: Options, reporter: Reporter, parts: list[Running]) -> Iterator[Model]:
    """Start vLLM with a model that this machine can run, or use the server at `--reranker-url`."""
    profile = options.profile or _default_profile(options)
    if options.reranker_url:
        yield Model(options.reranker_url, profile, options.model, "auto")
        return
    model = None if options.model in PROFILES else options.model
    packaged = PACKAGED.get(profile) if on_cpu() and not model else None
    folder = str(packaged(reporter)) if packaged else model
    with start_vllm(server_flags(PROFILES[profile], folder), reporter=reporter) as running:
        parts.append(running)
        yield Model(running.url, profile, None, folder or "auto")


@contextmanager
def endpoint(options: Options, access: Access, model: Model, reporter: Reporter, parts: list[Running]) -> Iterator[str]:
    """Start es-rerank in front of the engine, wait until its self-test has passed, and yield its URL."""
    url, pages = f"http://{HOST}:{options.port}", f"http://{options.admin_listen}"
    run = RunFolder(cache_folder(), "es-rerank")
    command = [sys.executable, "-m", "es_rerank", "serve", *_flags(options, access, model)]
    process = Process(Command(argv=command, log=run.path / "es-rerank.log", env=_environment()))
    with Running(title=_TITLE, url=url, process=process, run=run, ready=lambda: bool(_state(pages))) as running:
        await_ready(process, lambda: _ready(pages), _TITLE, _START_TIMEOUT_SECONDS, reporter)
        parts.append(running)
        yield url


def claim(options: Options) -> None:
    """Check that the endpoint's ports are free. Raises EsRerankError if another program uses them."""
    if options.index and not options.engine_url:
        raise EsRerankError("--index is an index of your engine: add its URL with --engine-url")
    if _state(f"http://{options.admin_listen}"):
        raise EsRerankError(
            f"another es-rerank is already listening on {HOST}:{options.port}, perhaps another demo: "
            "stop it, or choose another port with --port"
        )
    for port in (options.port, options.port + 1):
        claim_port(port)


def _default_profile(options: Options) -> str:
    """Return the profile of `--model`, or else a profile whose model this machine can run."""
    named = [name for name, row in PROFILES.items() if options.model in (name, row.model)]
    if named:
        return named[0]
    return "e5" if on_cpu() else "qwen3-reranker-0.6b"


def _flags(options: Options, access: Access, model: Model) -> list[str]:
    """Return the flags of `es-rerank serve`. With an index of the user, settings of rules have their defaults."""
    flags = {
        "--listen": f"{HOST}:{options.port}",
        "--admin-listen": options.admin_listen,
        "--upstream": access.url,
        "--upstream-ca": access.ca,
        "--reranker": model.url,
        "--backend": options.backend,
        "--profile": model.profile,
        "--model": model.model,
        "--tokenizer": model.tokenizer,
        "--window": str(options.window),
        **({} if options.index else _flags_of_corpus()),
    }
    return [part for name, value in flags.items() if value is not None for part in (name, value)]


def _flags_of_corpus() -> dict[str, str | None]:
    """Return the flags for the corpus of the demo. The deadline is long enough for a model on a CPU."""
    return {
        # Most documents of the corpus are distractors that the engine ranks first, so its scores would not help.
        "--policy": "replace",
        "--max-search-tokens": str(_MAX_SEARCH_TOKENS_ON_CPU) if on_cpu() else None,
        "--deadline": "60s",
    }


def _environment() -> dict[str, str]:
    """Return the environment without the user's `ES_RERANK_*` variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ES_RERANK_")}


def _ready(url: str) -> bool:
    """Return whether the endpoint is ready to rerank. Raises EsRerankError if its self-test failed."""
    state = _state(url)
    if state and state["status"] == "degraded" and "self_test" in state.get("why", ""):
        raise EsRerankError(f"the self-test of the reranker failed: {state['why']}")
    return bool(state) and state["status"] == "ok"


def _state(url: str) -> dict[str, str]:
    """Return the response of the readiness check at the admin pages' URL; empty if no endpoint responds."""
    try:
        with urllib.request.urlopen(f"{url}/_rerank/health/ready", timeout=_PROBE_TIMEOUT_SECONDS) as response:  # noqa: S310
            return msgspec.json.decode(response.read(), type=dict[str, str])
    except (OSError, ValueError):
        return {}


def _access(url: str, ca: Path | None) -> Access:
    """Return the access to the engine at a URL, which may contain credentials. Raises EsRerankError if it is down."""
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    username, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return identified(Access("opensearch", bare, username, password, str(ca) if ca else None))
