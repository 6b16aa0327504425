"""Prints the path of the newest Python on this machine that the package names as supported, for `make pure-newest`."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
_CLASSIFIER = "Programming Language :: Python :: "


def supported(pyproject: str) -> list[str]:
    """Return the Python versions in the classifiers of a `pyproject.toml`, newest first, such as `3.13`."""
    classifiers = tomllib.loads(pyproject)["project"]["classifiers"]
    versions = [one.removeprefix(_CLASSIFIER) for one in classifiers if one.startswith(_CLASSIFIER)]
    return sorted(versions, key=_numbers, reverse=True)


def installed(version: str, pyenv: Path) -> Iterator[str]:
    """Yield the paths of a Python version: those that pyenv installed, newest first, then the one in `PATH`."""
    found = pyenv.glob(f"versions/{version}.*/bin/python")
    releases = [path for path in found if path.parent.parent.name.rpartition(".")[2].isdecimal()]
    yield from map(str, sorted(releases, key=lambda path: _numbers(path.parent.parent.name), reverse=True))
    if path := shutil.which(f"python{version}"):
        yield path


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def main() -> None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    versions = supported((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = (path for version in versions for path in installed(version, pyenv))
    sys.stdout.write(next(found, sys.executable) + "\n")


if __name__ == "__main__":
    main()
