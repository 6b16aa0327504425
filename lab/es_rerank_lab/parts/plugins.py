"""Installs plugins of OpenSearch into a copy of its distribution."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from es_rerank_lab.parts.cache import prepared, require_space
from es_rerank_lab.parts.distribution import Distribution, maven_repositories
from es_rerank_lab.parts.errors import PartError, UnavailableError
from es_rerank_lab.parts.fetch import Checksum, fetch
from es_rerank_lab.parts.java import Java
from es_rerank_lab.parts.progress import QUIET, Reporter

_GROUP = "org/opensearch/plugin"
# The plugin with machine learning is unpacked to more than twice its size.
_SPACE_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Plugin:
    """A plugin: its Maven artifact, and the checksum of its archive for the version of the engine in `ENGINES`."""

    name: str
    sha256: str


RERANKING = (
    Plugin("opensearch-job-scheduler", "f81d0aa9fc850b18f803292bd7ae68bd33561f6c1d12db0f68529d40eddcee24"),
    Plugin("opensearch-knn", "ac392ca28a39b3bf290648a422ef30cb149dda2963a9d7feb26060e932341c9a"),
    Plugin("opensearch-ml-plugin", "c051d436fe1936da1477bb999db829eb2bc92b12989e376c300d0a874fb90f9d"),
    Plugin("neural-search", "6ef1b206e79391e2e36268e32dc34d27fd8b8a59a8eb0a7393c97d53b038e433"),
)
"""The plugins that OpenSearch 3.6 needs for search pipelines with a `rerank` processor. Install them in this order."""


def with_plugins(
    engine: Distribution, home: Path, plugins: Sequence[Plugin], java: Java, reporter: Reporter = QUIET
) -> Path:
    """Return a copy of the engine's folder *home* with plugins. The copy is created if it is missing.

    Raises PartError if a plugin cannot be downloaded or installed.
    """

    def make(target: Path) -> None:
        require_space(target, _SPACE_BYTES)
        shutil.copytree(home, target, dirs_exist_ok=True)
        for plugin in plugins:
            archive = _archive(engine, plugin, target, reporter)
            with reporter.step(f"install {plugin.name}"):
                _install(target, archive, java)
            archive.unlink()

    names = "-".join(plugin.name.removeprefix("opensearch-") for plugin in plugins)
    return prepared(home.parent.parent / f"{engine.title}-with-{names}", make, reporter)


def _archive(engine: Distribution, plugin: Plugin, folder: Path, reporter: Reporter) -> Path:
    """Download a plugin. Raises PartError if no repository provides it."""
    version, reasons = f"{engine.version}.0", []
    name = f"{plugin.name}-{version}.zip"
    for base in maven_repositories():
        try:
            url = f"{base.rstrip('/')}/{_GROUP}/{plugin.name}/{version}/{name}"
            return fetch(url, folder / name, Checksum("sha256", plugin.sha256), reporter)
        except UnavailableError as error:
            reasons.append(str(error))
    raise PartError(f"{name} could not be downloaded:\n  " + "\n  ".join(reasons))


def _install(home: Path, archive: Path, java: Java) -> None:
    """Run the engine's own installer. Raises PartError, with its output, if it fails."""
    command = [str(home / "bin" / "opensearch-plugin"), "install", "--batch", archive.as_uri()]
    environment = {"PATH": os.defpath, "OPENSEARCH_JAVA_HOME": str(java.home), "JAVA_HOME": str(java.home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PartError(f"{archive.name} could not be installed:\n{done.stdout}{done.stderr}")
