"""Measures how long planning takes: `make bench-planning`. Each request is parsed, and its searches are planned.

The requests are those of tests/cases/requests.yaml, or of a folder of recorded ones: `make bench-planning ARGS=FOLDER`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import yaml

from es_rerank.model import IndexInfo, Rule, Skip
from es_rerank.search import plan
from es_rerank.search.formats.decode import decode
from es_rerank.search.formats.endpoints import EndpointRequest, match
from es_rerank.search.formats.parse import parse

CASES = Path(__file__).parent.parent / "cases" / "requests.yaml"
ROUNDS = 200
RULE = Rule("bench")
INFO = IndexInfo(("library",), {"title": "text", "abstract": "text", "body": "text", "tag": "keyword"})


def requests(folder: str | None) -> Iterator[tuple[str, str, str, bytes]]:
    """List name, method, path and body."""
    if folder:
        for file in sorted(Path(folder).glob("*.json")):
            case = json.loads(file.read_text(encoding="utf-8"))
            body = case.get("body_raw") or case["body"]
            yield file.stem, case["method"], case["path"], _body([body] if body else [])
        return
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8")):
        method, _, path = case["request"].partition(" ")
        lines = [case["raw"]] if "raw" in case else case.get("lines", [case["body"]] if "body" in case else [])
        yield case["name"], method, path, _body(lines)


def _body(lines: list[Any]) -> bytes:
    return b"".join(line.encode() if isinstance(line, str) else json.dumps(line).encode() + b"\n" for line in lines)


def planned(request: EndpointRequest, body: bytes) -> Callable[[], None]:
    """Return a function that parses one request and plans its searches; templates are not rendered."""

    def work() -> None:
        parsed = parse(request, body)
        if isinstance(parsed, Skip):
            return
        for search in (decode(request, one) for one in parsed):
            if not isinstance(search, Skip) and plan.early(search) is None:
                plan.make(search, RULE, INFO)

    return work


def seconds(work: Callable[[], None]) -> float:
    """Return the median time of many rounds, in seconds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return median(taken)


def main() -> None:
    found = []
    for name, method, path, body in requests(sys.argv[1] if len(sys.argv) > 1 else None):
        request = match(method, path, {"Content-Type": "application/json"})
        if request:
            found.append((seconds(planned(request, body)) * 1e3, name))
    found.sort()
    times = [milliseconds for milliseconds, _ in found]
    most, slowest = found[-1]
    sys.stdout.write(
        f"{len(found)} requests, {ROUNDS} rounds each, milliseconds to plan one:\n"
        f"  median {median(times):.3f}   95 % {quantiles(times, n=20)[-1]:.3f}   most {most:.3f} ({slowest})\n"
    )


if __name__ == "__main__":
    main()
