"""Run the program of a client against a URL, and parse its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy
from typing import Any

from . import HERE, Client
from .install import installed, tool

LIMIT_S = 120
OK = "ok"
# The only variables that are passed to a client: no proxy, no account, no package index.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_QUIET = {"HAYSTACK_TELEMETRY_ENABLED": "False", "LANGSMITH_TRACING": "false", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Target:
    """A URL and its credentials."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    ca: str = ""

    @property
    def environment(self) -> dict[str, str]:
        found = {"USERNAME": self.username, "PASSWORD": self.password, "API_KEY": self.api_key, "CA": self.ca}
        authority = {"NODE_EXTRA_CA_CERTS": self.ca} if self.ca else {}
        return authority | {f"TARGET_{name}": value for name, value in found.items()}


@dataclass(frozen=True)
class Step:
    """The result of one step: "ok" or an exception, and what the client received."""

    outcome: str
    saw: Any

    @property
    def ok(self) -> bool:
        return self.outcome == OK


Run = Mapping[str, Step]


def passed(run: Run) -> int:
    """Return the number of successful steps."""
    return sum(step.ok for step in run.values())


def complete(run: Run) -> bool:
    return passed(run) == len(run)


def run_client(client: Client, target: Target, index: str, folder: Path) -> Run:
    """Run the program of a client with its own index, whose name is in no result. *folder* is for JavaScript."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | _QUIET | target.environment
    if client.in_python:
        environment["PYTHONPATH"] = str(installed(client))
        # Without site: packages of the tests must not replace packages of the client.
        argv = [sys.executable, "-S", "-W", "ignore", str(HERE / "python" / f"{client.program}.py")]
    else:
        environment["CLIENT"] = client.package
        argv = [tool("node"), str(_laid_out(client, folder) / f"{client.program}.mjs")]
    argv += [target.url, index]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{client.name} failed:\n{done.stdout}{done.stderr}"
    text = done.stdout.replace(index, "index").replace(target.url, "URL")
    return {name: Step(**found) for name, found in json.loads(text).items()}


def _laid_out(client: Client, folder: Path) -> Path:
    # Node searches packages in the folders above a program, so the programs are copied next to the packages.
    programs = folder / "js"
    if not programs.exists():
        programs.mkdir()
        for path in HERE.glob("js/*.mjs"):
            copy(path, programs)
        copy(HERE / "documents.json", folder)
        (folder / "node_modules").symlink_to(installed(client) / "node_modules")
    return programs
