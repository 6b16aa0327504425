"""The folder of one engine run: its configuration, data and logs, apart from the shared distribution."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from es_rerank_lab.parts.distribution import Distribution
from es_rerank_lab.parts.java import Java

_VECTOR_MODULE = "jdk.incubator.vector"
# Heap is ours to say; the rest would write beside the distribution, which is shared and may be read-only.
_NOT_OURS = ("-Xms", "-Xmx", "-Xlog:gc", "HeapDump", "ErrorFile", "Xloggc", "GCLogFile", "UseGCLog", ":-XX:+PrintGC")
_SETTINGS: Mapping[str, object] = {
    "cluster.name": "es-rerank",
    "node.name": "es-rerank",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    # Any free one: nobody joins this node.
    "transport.port": 0,
    # A disk that is nearly full must not turn a demo's index read-only.
    "cluster.routing.allocation.disk.threshold_enabled": False,
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One run of a distribution: `home` is the shared distribution, `run` the run's own folder."""

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
        """Fill the run's folder: configuration, logs and temporary files."""
        shutil.copytree(self.home / "config", self.config)
        for name in ("logs", "tmp"):
            (self.run / name).mkdir()
        lines = (f"{name}: {json.dumps(value)}\n" for name, value in self._all_settings().items())
        (self.config / f"{self.engine.family.name}.yml").write_text("".join(lines), "utf-8")
        options = self.config / "jvm.options"
        options.write_text(self._java_options(options.read_text("utf-8")), "utf-8")

    def environment(self) -> dict[str, str]:
        """Make the environment of the engine's scripts: nothing of ours but the way to the tools."""
        prefix, temporary = self.engine.family.prefix, self.run / "tmp"
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.run),
            "JAVA_HOME": str(self.java.home),
            f"{prefix}_JAVA_HOME": str(self.java.home),
            f"{prefix}_PATH_CONF": str(self.config),
            f"{prefix}_TMPDIR": str(temporary),
            # Elasticsearch's launcher is a Java of its own, with temporary files of its own.
            "CLI_JAVA_OPTS": f"-Djava.io.tmpdir={temporary}",
        }

    def _all_settings(self) -> dict[str, object]:
        modules = {path.name for path in (self.home / "modules").iterdir()}
        found: dict[str, object] = {
            **_SETTINGS,
            "http.port": self.port,
            "path.data": str(self.data),
            "path.logs": str(self.run / "logs"),
            **self.engine.settings,
        }
        for module, settings in self.engine.module_settings.items():
            found |= settings if module in modules else {}
        return found | dict(self.settings)

    def _java_options(self, shipped: str) -> str:
        unwanted = _NOT_OURS if _VECTOR_MODULE in self.java.modules else (*_NOT_OURS, _VECTOR_MODULE)
        kept = [line for line in shipped.splitlines() if not any(part in line for part in unwanted)]
        own = [f"-Xms{self.heap}", f"-Xmx{self.heap}", f"-XX:ErrorFile={self.run}/logs/hs_err_pid%p.log"]
        return "\n".join([*kept, *own, ""])
