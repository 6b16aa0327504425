"""Finds the programs of Prometheus: installed ones, or those of the Debian package, which is unpacked in the cache."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import chdir
from functools import partial
from pathlib import Path

from es_rerank_lab.parts.cache import cache_folder, prepared
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.progress import QUIET, Reporter

_PACKAGE = "prometheus"
_TIMEOUT_SECONDS = 300


def prometheus_program(name: str, reporter: Reporter = QUIET) -> Path:
    """Return the path of `prometheus` or `promtool`.

    The Debian package is downloaded with apt, which verifies it, and unpacked without being installed.

    Raises:
        PartError: If the program is neither installed nor in a package of this system.

    """
    if installed := shutil.which(name):
        return Path(installed)
    folder = prepared(cache_folder() / "prometheus", partial(_unpack, reporter), reporter)
    return folder / "usr" / "bin" / name


def _unpack(reporter: Reporter, folder: Path) -> None:
    """Download the package and unpack it into *folder*."""
    with reporter.step("download Prometheus"), chdir(folder):
        _run("apt-get", "download", "-q", _PACKAGE)
        (package,) = folder.glob("*.deb")
        _run("dpkg-deb", "-x", str(package), str(folder))
        package.unlink()


def _run(*command: str) -> None:
    """Run a command. Raises PartError if it fails."""
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        words = getattr(error, "stderr", None) or str(error).encode()
        raise PartError(
            f"Prometheus cannot be downloaded with {command[0]}: {words.decode(errors='replace').strip()}. "
            "Install `prometheus` and `promtool`, and run this again."
        ) from error
