"""Writes the configuration of a node, an engine that runs in a folder of its own.

The unpacked distribution is shared by all nodes and is not changed.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from es_rerank_lab.parts.distribution import Distribution
from es_rerank_lab.parts.java import Java

_VECTOR_MODULE = "jdk.incubator.vector"
# JVM options that are removed: heap sizes, because other sizes are set, and options that write log files into the
# distribution, which may be read-only.
_REMOVED = (
    "-Xms",
    "-Xmx",
    "-Xlog:gc",
    "HeapDump",
    "ErrorFile",
    "Xloggc",
    "GCLogFile",
    "UseGCLog",
    ":-XX:+PrintGC",
)
_SETTINGS: Mapping[str, object] = {
    "cluster.name": "es-rerank",
    "node.name": "es-rerank",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    # Any free port, because no other node joins the cluster.
    "transport.port": 0,
    # Otherwise, indices become read-only on a nearly full disk.
    "cluster.routing.allocation.disk.threshold_enabled": False,
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One engine to run. `home` is the folder of the shared distribution, and `run` is the folder of this node."""

    engine: Distribution
    home: Path
    run: Path
    java: Java
    port: int
    heap: str
    data: Path
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The configuration folder of this node."""
        return self.run / "config"

    def write(self) -> None:
        """Create the configuration, the logs folder and the temporary folder."""
        shutil.copytree(self.home / "config", self.config)
        for name in ("logs", "tmp"):
            (self.run / name).mkdir()
        lines = (f"{name}: {json.dumps(value)}\n" for name, value in self._all_settings().items())
        (self.config / f"{self.engine.family.name}.yml").write_text("".join(lines), "utf-8")
        options = self.config / "jvm.options"
        options.write_text(self._java_options(options.read_text("utf-8")), "utf-8")

    def environment(self) -> dict[str, str]:
        """Return the environment for the engine's scripts. No variables of this process are inherited."""
        prefix, temporary = self.engine.family.prefix, self.run / "tmp"
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.run),
            "JAVA_HOME": str(self.java.home),
            f"{prefix}_JAVA_HOME": str(self.java.home),
            f"{prefix}_PATH_CONF": str(self.config),
            f"{prefix}_TMPDIR": str(temporary),
            # Elasticsearch's launcher is a separate JVM with its own temporary files.
            "CLI_JAVA_OPTS": f"-Djava.io.tmpdir={temporary}",
        }

    def _all_settings(self) -> dict[str, object]:
        """Return all settings. Later ones take precedence: defaults, engine, modules of the engine, this node."""
        modules = {path.name for path in (self.home / "modules").iterdir()}
        merged: dict[str, object] = {
            **_SETTINGS,
            "http.port": self.port,
            "path.data": str(self.data),
            "path.logs": str(self.run / "logs"),
            **self.engine.settings,
        }
        for module, settings in self.engine.module_settings.items():
            merged |= settings if module in modules else {}
        return merged | dict(self.settings)

    def _java_options(self, shipped: str) -> str:
        """Return JVM options: the engine's defaults, given as *shipped*, with other heap and log settings."""
        unwanted = _REMOVED if _VECTOR_MODULE in self.java.modules else (*_REMOVED, _VECTOR_MODULE)
        kept = [line for line in shipped.splitlines() if not any(part in line for part in unwanted)]
        own = [f"-Xms{self.heap}", f"-Xmx{self.heap}", f"-XX:ErrorFile={self.run}/logs/hs_err_pid%p.log"]
        return "\n".join([*kept, *own, ""])
