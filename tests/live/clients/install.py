"""Install the clients in the shared download folder, once per version of their lock files."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from es_rerank_lab.parts.cache import cache_folder, prepared

from . import HERE, Client

LIMIT_S = 300


def tool(name: str) -> str:
    """Return the path of a program next to this Python or on PATH; fail if it is missing."""
    sibling = Path(sys.executable).with_name(name)
    found = str(sibling) if sibling.is_file() else shutil.which(name)
    assert found, f"{name} is missing: the matrix of clients needs it"
    return found


def installed(client: Client) -> Path:
    """Return the folder that holds the client's packages."""
    digest = hashlib.sha256(client.lock.read_bytes()).hexdigest()[:12]
    if client.in_python:
        name = f"{client.name}-{sys.implementation.cache_tag}-{digest}"
        return prepared(cache_folder() / "clients" / name, lambda target: _python(client, target))
    return prepared(cache_folder() / "clients" / f"node-{digest}", _node)


def _python(client: Client, target: Path) -> None:
    flags = ["--target", str(target), "--python", sys.executable, "--require-hashes", "--no-deps", "--compile-bytecode"]
    _run([tool("uv"), "pip", "install", "-q", *flags, "-r", str(client.lock)], target)


def _node(target: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "js" / name, target)
    _run([tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], target)


def _run(argv: list[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}"
