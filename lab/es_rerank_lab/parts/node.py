"""The folder of one engine run with its configuration, data and logs, separate from the shared distribution."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from es_rerank_lab.parts.distribution import Distribution
from es_rerank_lab.parts.java import Java

_VECTOR_MODULE = "jdk.incubator.vector"
# JVM options that are replaced (heap), or would write into the shared, possibly read-only distribution.
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
    # Any free port: no other node joins.
    "transport.port": 0,
    # Otherwise a nearly full disk makes indices read-only.
    "cluster.routing.allocation.disk.threshold_enabled": False,
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One run of a distribution; `home` is the shared distribution, `run` the folder of the run."""

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
        """The configuration folder of this run."""
        return self.run / "config"

    def write(self) -> None:
        """Create configuration, logs folder and temporary folder of the run."""
        shutil.copytree(self.home / "config", self.config)
        for name in ("logs", "tmp"):
            (self.run / name).mkdir()
        lines = (f"{name}: {json.dumps(value)}\n" for name, value in self._all_settings().items())
        (self.config / f"{self.engine.family.name}.yml").write_text("".join(lines), "utf-8")
        options = self.config / "jvm.options"
        options.write_text(self._java_options(options.read_text("utf-8")), "utf-8")

    def environment(self) -> dict[str, str]:
        """Return the environment of the engine's scripts, which inherit nothing from this process."""
        prefix, temporary = self.engine.family.prefix, self.run / "tmp"
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.run),
            "JAVA_HOME": str(self.java.home),
            f"{prefix}_JAVA_HOME": str(self.java.home),
            f"{prefix}_PATH_CONF": str(self.config),
            f"{prefix}_TMPDIR": str(temporary),
            # The launcher of Elasticsearch is a separate JVM with its own temporary files.
            "CLI_JAVA_OPTS": f"-Djava.io.tmpdir={temporary}",
        }

    def _all_settings(self) -> dict[str, object]:
        """Return the settings of the run: defaults, those of the engine and its modules, then its own."""
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
        """Return the JVM options: those shipped with the engine, with other heap and log settings."""
        unwanted = _REMOVED if _VECTOR_MODULE in self.java.modules else (*_REMOVED, _VECTOR_MODULE)
        kept = [line for line in shipped.splitlines() if not any(part in line for part in unwanted)]
        own = [f"-Xms{self.heap}", f"-Xmx{self.heap}", f"-XX:ErrorFile={self.run}/logs/hs_err_pid%p.log"]
        return "\n".join([*kept, *own, ""])
