"""The engines of the client matrix. One engine runs at a time, with its endpoints, until another is requested."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from es_rerank_lab.parts.engines import Engine, start_engine

from .clients.run import Target
from .endpoint import IDENTITY, Endpoint, start_endpoint
from .watch import watch
from .wire import Answer, ask

KEEP = ("--policy", "keep")
_RERANKED = re.compile(r'^es_rerank_searches_total\{outcome="reranked".*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Column:
    """A column of the table: an engine of `ENGINES`, with or without TLS and users."""

    engine: str
    title: str
    security: bool = False


COLUMNS = (
    Column("opensearch", "OpenSearch"),
    Column("opensearch-2.19.6", "OpenSearch"),
    Column("elasticsearch", "Elasticsearch", security=True),
    Column("elasticsearch-7.17.9", "Elasticsearch"),
    Column("elasticsearch-7.10.2", "Elasticsearch"),
)


@dataclass
class Stand:
    """A running engine and its endpoints: one endpoint without emulation, and one per emulated engine version."""

    engine: Engine
    folder: Path
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    @property
    def direct(self) -> Target:
        engine = self.engine
        return Target(engine.url, engine.username or "", engine.password or "", ca=str(engine.ca or ""))

    def through(self, presented: str = "") -> Target:
        """Return the endpoint, served over HTTP, that emulates *presented*; if empty, the one without emulation."""
        if presented not in self.endpoints:
            trust = ("--upstream-ca", str(self.engine.ca)) if self.engine.ca else ()
            shown = ("--emulate", presented) if presented else ()
            log = self.folder / f"endpoint-{len(self.endpoints)}.log"
            self.endpoints[presented] = start_endpoint(self.engine.url, log, *IDENTITY, *KEEP, *trust, *shown)
        return Target(self.endpoints[presented].url, self.direct.username, self.direct.password)

    def api_key(self) -> str:
        """Request an API key. Return the status of the response and, if it is an error, the reason."""
        answer = self._ask("POST", "/_security/api_key", {"name": "matrix"})
        return f"{answer.status} {answer.json.get('error', {}).get('reason', '')}".strip()

    def reranked(self) -> int:
        """Return the number of searches that the endpoints have reranked so far."""
        texts = [one.page("GET", "/metrics").body.decode() for one in self.endpoints.values()]
        return sum(int(float(count)) for text in texts for count in _RERANKED.findall(text))

    def whole(self) -> bool:
        """Return whether the engine is the vendor's full distribution, not the minimal distribution."""
        return b"x-pack-ml" in self._ask("GET", "/_nodes/plugins?filter_path=**.modules.name").body

    def stop(self) -> None:
        for endpoint in self.endpoints.values():
            endpoint.process.stop()
        self.engine.stop()

    def _ask(self, method: str, target: str, body: object = None) -> Answer:
        return ask(self.through().url, method, target, body, _basic(self.direct))


class Stands:
    """Starts the engine of a requested column, and stops the engine of the previous column."""

    def __init__(self, folder: Path) -> None:
        """Write logs to *folder*."""
        self._folder = folder
        self._column: Column | None = None
        self._stand: Stand | None = None

    def alive(self, column: Column) -> Stand:
        """Return the engine of a column, which is started if it is not running."""
        if self._column != column or self._stand is None:
            self.stop()
            engine = start_engine(column.engine, security=column.security)
            watch(f"{column.engine} of the matrix", engine.process)
            folder = self._folder / column.engine
            folder.mkdir(exist_ok=True)
            self._column, self._stand = column, Stand(engine, folder)
        return self._stand

    def stop(self) -> None:
        """Stop the running engine and its endpoints."""
        if self._stand:
            self._stand.stop()
            self._stand = None


def _basic(target: Target) -> Mapping[str, str]:
    if not target.username:
        return {}
    pair = base64.b64encode(f"{target.username}:{target.password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}
