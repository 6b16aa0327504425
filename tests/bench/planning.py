"""Time for planning a search: `make bench`. It includes parsing the request and extracting the query text.

The requests are those of tests/cases/requests.yaml, or recorded ones: `make bench ARGS=FOLDER`.
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

from es_rerank.model import IndexInfo, Rule, Search
from es_rerank.search import plan
from es_rerank.search.formats import endpoints, multi_search
from es_rerank.search.formats.endpoints import EndpointRequest

CASES = Path(__file__).parent.parent / "cases" / "requests.yaml"
ROUNDS = 200
RULE = Rule("bench")
INFO = IndexInfo(("library",), {"title": "text", "abstract": "text", "body": "text", "tag": "keyword"})


def requests(folder: str | None) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield name, method, path and body of each request."""
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


def planned(carried: EndpointRequest, body: bytes) -> Callable[[], None]:
    """Return a function that plans the searches of one request."""

    def one(search: object) -> None:
        if isinstance(search, Search) and plan.early(search) is None:
            plan.make(search, RULE, INFO)

    def many() -> None:
        for item in multi_search.read(body, carried.target) or ():
            one(endpoints.search(carried, item.target, item.options, item.body))

    return many if carried.endpoint == "_msearch" else lambda: one(endpoints.read(carried, body))


def seconds(work: Callable[[], None]) -> float:
    """Return the median time of many rounds in seconds."""
    taken = []
    for _ in range(ROUNDS):
        started_at = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started_at)
    return median(taken)


def main() -> None:
    found = []
    for name, method, path, body in requests(sys.argv[1] if len(sys.argv) > 1 else None):
        carried = endpoints.match(method, path, {"Content-Type": "application/json"})
        if carried:
            found.append((seconds(planned(carried, body)) * 1e3, name))
    found.sort()
    times = [one for one, _ in found]
    highest, slowest = found[-1]
    sys.stdout.write(
        f"{len(found)} requests, {ROUNDS} rounds each, milliseconds per request:\n"
        f"  median {median(times):.3f}   95th percentile {quantiles(times, n=20)[-1]:.3f}"
        f"   highest {highest:.3f} ({slowest})\n"
    )


if __name__ == "__main__":
    main()
