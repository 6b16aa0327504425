"""Golden searches: requests with the engine's recorded responses, in tests/cases/searches, one folder each.

    case.yaml      what the case shows; settings, rule, rerank server, and the engines that can run it
    request.http   the client's request: method and target, headers, an empty line, body
    engine*.json   the engine's responses, in the order of their names
    scores.json    the probability of each passage, by a part of its text (missing where the model is not called)
    expected.json  the response body that the client gets, byte for byte
    expected.yaml  status, `X-Rerank`, the query texts that the model received, and each engine request,
                   where `body: unchanged` is the client's own body

`pytest tests/test_golden_searches.py --update-cases` rewrites the expected files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest

CASES = Path(__file__).parent / "cases" / "searches"
FIELD_TYPES = {
    "title": "text",
    "body": "text",
    "tag": "keyword",
    "year": "integer",
}
"""The mapping of every index of the golden searches."""

_NDJSON = "application/x-ndjson"
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class GoldenSearch:
    """One folder of tests/cases/searches.

    Attributes:
        settings: Settings of the endpoint that differ from those of `fake_settings`.
        rule: The rule for the indices of the search, as in a rule file; without one the settings decide.
        model_status: Status of the rerank server's responses; 0 means that the server cannot be reached.
        engines: The engines on which the live test runs the request.
        responses: The engine's response bodies, in the order of its requests.

    """

    folder: Path
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    settings: Mapping[str, Any]
    rule: Mapping[str, Any]
    model_status: int
    engines: tuple[str, ...]
    responses: tuple[bytes, ...]
    scores: Mapping[str, float]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def expected(self) -> dict[str, Any]:
        """What expected.yaml says."""
        return dict(yaml.safe_load((self.folder / "expected.yaml").read_text(encoding="utf-8")))

    def with_rule(self, folder: Path) -> dict[str, Any]:
        """Return the settings of the endpoint, with the rule written to a file in *folder*."""
        if not self.rule:
            return dict(self.settings)
        (folder / "docs.yaml").write_text(yaml.safe_dump({"index": "*", **self.rule}), encoding="utf-8")
        return {**self.settings, "mappings": folder}


def golden_searches() -> list[GoldenSearch]:
    """Read all folders."""
    return [_read(folder) for folder in sorted(CASES.iterdir()) if folder.is_dir()]


def _read(folder: Path) -> GoldenSearch:
    case = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
    head, _, body = (folder / "request.http").read_bytes().partition(b"\n\n")
    first, *fields = head.decode().splitlines()
    method, target = first.split(" ", 1)
    headers = dict(field.split(": ", 1) for field in fields)
    scores = folder / "scores.json"
    return GoldenSearch(
        folder=folder,
        method=method,
        target=target,
        headers=headers,
        # The newline at the end of the file is a part of NDJSON alone.
        body=body if headers.get("Content-Type") == _NDJSON else body.removesuffix(b"\n"),
        settings=case.get("settings", {}),
        rule=case.get("rule", {}),
        model_status=case.get("model_status", 200),
        engines=tuple(case.get("engines", ("elasticsearch", "opensearch"))),
        responses=tuple(path.read_bytes() for path in sorted(folder.glob("engine*.json"))),
        scores=json.loads(scores.read_bytes()) if scores.exists() else {},
    )


def fake_engine(case: GoldenSearch) -> FakeServer:
    """Make an engine that replays the recorded responses in order; once they are used up it answers 503."""
    left = iter(case.responses)

    def respond(received: ReceivedRequest) -> FakeResponse:
        if "/_field_caps" in received.target:
            return _field_caps(received.target)
        body = next(left, b"")
        return FakeResponse(body, _status(body) if body else _UNAVAILABLE)

    return FakeServer({"": respond})


def _field_caps(target: str) -> FakeResponse:
    """Answer `_field_caps` for the index of a request; the index `absent` is missing."""
    index = target.removeprefix("/").partition("/_field_caps")[0]
    if index == "absent":
        return FakeResponse(b'{"error":{"type":"index_not_found_exception"},"status":404}', 404)
    fields = {name: {kind: {"type": kind, "searchable": True}} for name, kind in FIELD_TYPES.items()}
    return FakeResponse(json.dumps({"indices": [index or "docs"], "fields": fields}).encode())


def _status(body: bytes) -> int:
    """Read the status of an error; any other response has status 200."""
    response = json.loads(body)
    return int(response["status"]) if "error" in response else 200


def fake_reranker(case: GoldenSearch) -> FakeServer:
    """Make a Cohere-shaped rerank server, whose scores are probabilities, so that no rounding comes in between."""

    def respond(received: ReceivedRequest) -> FakeResponse:
        if case.model_status != 200:
            return FakeResponse(b"{}", case.model_status)
        rows = [
            {"index": index, "relevance_score": next((p for part, p in case.scores.items() if part in text), 0.0)}
            for index, text in enumerate(received.json["documents"])
        ]
        return FakeResponse(json.dumps({"results": rows}).encode())

    return FakeServer({"": respond})


def model_queries(reranker: FakeServer) -> list[str]:
    """List the query texts of all requests to the rerank server, each once."""
    return sorted({received.json["query"] for received in reranker.seen})


def engine_requests(engine: FakeServer, case: GoldenSearch) -> list[dict[str, Any]]:
    """List the engine requests of a search, without those for the mapping."""
    received = [one for one in engine.seen if "_field_caps" not in one.target]
    return [dict(_engine_request(one, case)) for one in received]


def _engine_request(received: ReceivedRequest, case: GoldenSearch) -> Iterator[tuple[str, Any]]:
    yield "request", f"{received.method} {received.target}"
    if received.body:
        yield "body", "unchanged" if received.body == case.body else _decoded(received.body)


def _decoded(body: bytes) -> Any:
    """Decode a body, or the lines of one."""
    try:
        return json.loads(body)
    except ValueError:
        return [json.loads(line) for line in body.splitlines()]
