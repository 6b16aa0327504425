"""Run a client's program against an address, and read what it printed."""

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
# Only these variables of ours reach a client: no proxy, no account, no index of packages.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_QUIET = {"HAYSTACK_TELEMETRY_ENABLED": "False", "LANGSMITH_TRACING": "false", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Target:
    """An address, and what is needed to be let in."""

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
    """What came of one step: "ok" or an exception, and what was seen."""

    outcome: str
    saw: Any

    @property
    def ok(self) -> bool:
        return self.outcome == OK


Run = Mapping[str, Step]


def passed(run: Run) -> int:
    """Count the steps that went well."""
    return sum(step.ok for step in run.values())


def complete(run: Run) -> bool:
    return passed(run) == len(run)


def run_client(client: Client, target: Target, index: str, folder: Path) -> Run:
    """Run a client's program with an index of its own; its name stands in no finding. *folder* is for JavaScript."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | _QUIET | target.environment
    if client.in_python:
        environment["PYTHONPATH"] = str(installed(client))
        # Without site: what is installed for the tests themselves must not stand in for a package of the client.
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
    # Node looks for packages in the folders above a program, so the programs are laid beside the packages.
    programs = folder / "js"
    if not programs.exists():
        programs.mkdir()
        for path in HERE.glob("js/*.mjs"):
            copy(path, programs)
        copy(HERE / "documents.json", folder)
        (folder / "node_modules").symlink_to(installed(client) / "node_modules")
    return programs
