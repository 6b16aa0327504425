"""Shared by the programs: the command line, the documents, and the JSON object with the result of each step."""

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
    """The URL of an engine or an endpoint, the name of an index, and credentials."""

    url: str
    index: str
    username: str = ""
    password: str = ""
    api_key: str = ""
    ca: str = ""

    @classmethod
    def given(cls) -> Target:
        """Parse the command line, `URL INDEX`, and the credentials in the environment."""
        url, index = sys.argv[1:]
        names = ("username", "password", "api_key", "ca")
        return cls(url, index, **{name: os.environ.get(f"TARGET_{name.upper()}", "") for name in names})


Step = Callable[[Any, Target], object]


def run(connect: Callable[[Target], Any], steps: Mapping[str, Step]) -> None:
    """Run the steps one by one, and print "ok" or the exception of each, and what the client received."""
    target, client, found = Target.given(), None, {}
    for name, step in steps.items():
        try:
            client = connect(target) if client is None else client
            found[name] = {"outcome": "ok", "saw": step(client, target)}
        except Exception as error:  # noqa: BLE001 - any exception is a result
            found[name] = {"outcome": f"{type(error).__name__}: {reason(error)}", "saw": None}
            # A client may be unusable after a failure: the next step gets a new one.
            client = None
    json.dump(found, sys.stdout)


def reason(error: Any) -> str:
    """Return status and reason of an engine's error, and the text of any other exception."""
    status = getattr(getattr(error, "meta", None), "status", None) or getattr(error, "status_code", None)
    body = getattr(error, "body", None) or getattr(error, "info", None)
    if not isinstance(status, int) or not isinstance(body, dict) or "error" not in body:
        return str(error)
    said = body["error"]
    if isinstance(said, dict):
        said = said.get("caused_by", said).get("reason", said)
    return f"{status} {said}"


def seen(hits: Mapping[str, Any]) -> dict[str, Any]:
    """Summarize a page of hits: ids, order and scores."""
    total = hits["total"]
    return {
        "total": total["value"] if isinstance(total, dict) else total,
        "ids": [hit["_id"] for hit in hits["hits"]],
        "scores": [hit["_score"] and round(hit["_score"], 4) for hit in hits["hits"]],
        "sources": [sorted(hit.get("_source", {})) for hit in hits["hits"]],
    }


def refused(call: Callable[[], object], wanted: type[Exception]) -> str:
    """Return the name of the exception of a call that must fail with it."""
    try:
        call()
    except wanted as error:
        return type(error).__name__
    raise AssertionError(f"no {wanted.__name__}")
