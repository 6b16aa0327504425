"""Resolve the packages of the clients anew: `python -m tests.live.clients.lock`.

js/package.json keeps elasticsearch-js at 9.4, the last that runs on Node 20.
"""

from __future__ import annotations

import subprocess

from . import CLIENTS, HERE
from .install import tool

COMPILE = ("pip", "compile", "-", "--universal", "--python-version", "3.11", "--generate-hashes", "-q", "-U")
PLAIN = ("--no-header", "--no-annotate")
# No address of a registry gets into the lock: each machine asks its own.
LOCK = ("install", "--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved")


def lock() -> None:
    """Write a file of pins for every client in Python, and one for all in JavaScript."""
    for client in CLIENTS:
        if client.in_python:
            client.lock.parent.mkdir(exist_ok=True)
            argv = [tool("uv"), *COMPILE, *PLAIN, "-o", str(client.lock)]
            subprocess.run(argv, input=client.wants, text=True, check=True)
    subprocess.run([tool("npm"), *LOCK], cwd=HERE / "js", check=True)


if __name__ == "__main__":
    lock()
