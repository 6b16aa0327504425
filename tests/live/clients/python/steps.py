"""What the programs share: where the engine is, the documents, and one JSON object about what came of each step."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENTS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).parent.parent.joinpath("documents.json").read_text(encoding="utf-8")
)
SETTINGS = {"number_of_shards": 1, "number_of_replicas": 0}
MAPPINGS = {
    "properties": {
        "title": {"type": "text"},
        "text": {"type": "text"},
        "tag": {"type": "keyword"},
        "year": {"type": "integer"},
    }
}
RIVER = {"match": {"text": "river"}}
MILL = {"match": {"text": "mill"}}
WRONG = {"matsch": {"text": "river"}}
TAGS = {"tags": {"terms": {"field": "tag"}}}


@dataclass(frozen=True)
class Target:
    """The address of an engine or an endpoint, an index to work in, and what is needed to be let in."""

    url: str
    index: str
    username: str = ""
    password: str = ""
    api_key: str = ""
    ca: str = ""

    @classmethod
    def given(cls) -> Target:
        """Read the command line, `URL INDEX`, and the credentials in the environment."""
        url, index = sys.argv[1:]
        names = ("username", "password", "api_key", "ca")
        return cls(url, index, **{name: os.environ.get(f"TARGET_{name.upper()}", "") for name in names})


Step = Callable[[Any, Target], object]


def run(connect: Callable[[Target], Any], steps: Mapping[str, Step]) -> None:
    """Take the steps one by one with a client, and print for each "ok" or its exception, and what it saw."""
    target, client, found = Target.given(), None, {}
    for name, step in steps.items():
        try:
            client = connect(target) if client is None else client
            found[name] = {"outcome": "ok", "saw": step(client, target)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            found[name] = {"outcome": f"{type(error).__name__}: {reason(error)}", "saw": None}
            # A client that failed may be half made: the next step has a new one.
            client = None
    json.dump(found, sys.stdout)


def reason(error: Any) -> str:
    """Say an engine's refusal by its status and reason, and anything else in its own words."""
    status = getattr(getattr(error, "meta", None), "status", None) or getattr(error, "status_code", None)
    body = getattr(error, "body", None) or getattr(error, "info", None)
    if not isinstance(status, int) or not isinstance(body, dict) or "error" not in body:
        return str(error)
    said = body["error"]
    if isinstance(said, dict):
        said = said.get("caused_by", said).get("reason", said)
    return f"{status} {said}"


def seen(hits: Mapping[str, Any]) -> dict[str, Any]:
    """Digest a page of hits: who is on it, in which order, with which score."""
    total = hits["total"]
    return {
        "total": total["value"] if isinstance(total, dict) else total,
        "ids": [hit["_id"] for hit in hits["hits"]],
        "scores": [hit["_score"] and round(hit["_score"], 4) for hit in hits["hits"]],
        "sources": [sorted(hit.get("_source", {})) for hit in hits["hits"]],
    }


def refused(call: Callable[[], object], wanted: type[Exception]) -> str:
    """Name the exception of a call that must fail in one way."""
    try:
        call()
    except wanted as error:
        return type(error).__name__
    raise AssertionError(f"no {wanted.__name__}")
