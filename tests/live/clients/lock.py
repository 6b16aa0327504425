"""Resolve the packages of the clients again: `python -m tests.live.clients.lock`.

js/package.json pins elasticsearch-js to 9.4, the last version for Node 20.
"""

from __future__ import annotations

import subprocess

from . import CLIENTS, HERE
from .install import tool

COMPILE = ("pip", "compile", "-", "--universal", "--python-version", "3.11", "--generate-hashes", "-q", "-U")
PLAIN = ("--no-header", "--no-annotate")
# Lock files contain no registry URL: each machine uses its own.
LOCK = ("install", "--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved")


def lock() -> None:
    """Write a lock file for each Python client, and one for all JavaScript clients."""
    for client in CLIENTS:
        if client.in_python:
            client.lock.parent.mkdir(exist_ok=True)
            argv = [tool("uv"), *COMPILE, *PLAIN, "-o", str(client.lock)]
            subprocess.run(argv, input=client.wants, text=True, check=True)
    subprocess.run([tool("npm"), *LOCK], cwd=HERE / "js", check=True)


if __name__ == "__main__":
    lock()
