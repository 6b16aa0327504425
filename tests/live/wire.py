"""Plain HTTP: one request exactly as written, one response exactly as received."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

LIMIT_S = 120.0
NDJSON = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True)
class Answer:
    """Status, headers in their order, and the bytes of the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def hits(self) -> list[dict[str, Any]]:
        return list(self.json["hits"]["hits"])

    @property
    def ids(self) -> list[str]:
        return [hit["_id"] for hit in self.hits]

    @property
    def outcome(self) -> str:
        return self.header("X-Rerank")


def ask(base: str, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request; a body that is neither bytes nor None is encoded as JSON."""
    sent = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body, ensure_ascii=False).encode()
        sent.setdefault("Content-Type", "application/json")
    address = urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=LIMIT_S)
    try:
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, tuple(answer.getheaders()), answer.read())
    finally:
        connection.close()


def ask_chunked(base: str, target: str, chunks: Iterator[bytes]) -> Answer:
    """Send NDJSON with chunked encoding, as clients do for bodies of unknown length."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=LIMIT_S)
    try:
        connection.request("POST", target, chunks, NDJSON, encode_chunked=True)
        answer = connection.getresponse()
        return Answer(answer.status, tuple(answer.getheaders()), answer.read())
    finally:
        connection.close()


def fill(base: str, index: str, mappings: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]]) -> None:
    """Create an index of one shard with these documents; an existing one is deleted first."""
    target = f"/{quote(index)}"
    ask(base, "DELETE", target)
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    made = ask(base, "PUT", target, {"settings": settings, "mappings": mappings})
    assert made.status == 200, made
    lines = [
        json.dumps(line)
        for name, document in documents.items()
        for line in ({"index": {"_index": index, "_id": name}}, document)
    ]
    loaded = ask(base, "POST", "/_bulk?refresh=true", "\n".join([*lines, ""]).encode(), NDJSON)
    assert loaded.status == 200, loaded
    assert loaded.json["errors"] is False, loaded
