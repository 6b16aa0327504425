"""Programs that tests need: root on Debian installs a missing one, elsewhere the test fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

_LIMIT_S = 500
# Where Debian has servers.
_FOLDERS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))


def program(package: str, *names: str) -> Path:
    """Return the first of the programs *names* that is installed; they are in a Debian package."""
    found = _installed(names)
    install = f"apt-get update && apt-get install -y --no-install-recommends {package}"
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["/bin/sh", "-c", install], check=False, timeout=_LIMIT_S, env=quiet)
        found = _installed(names)
    if not found:
        pytest.fail(f"{names[0]} is not installed. Install it, on Debian as root: {install}")
    return Path(found)


def _installed(names: Sequence[str]) -> str | None:
    return next(filter(None, (shutil.which(name, path=_FOLDERS) for name in names)), None)
