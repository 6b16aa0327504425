"""The searches of the tests of faults and kills, and the expected pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from .load import post
from .wire import NDJSON, Answer, ask, fill

INDEX = "storm"
WINDOW, SIZE = 10, 5
DOCUMENTS = {
    f"s{at}": {"body": f"Storm number {at} brought rain and wind. " + "Rain. " * (at % 7) + "Wind. " * (at % 3)}
    for at in range(30)
}
# Searches in one `_msearch`.
_MANY = 500

Window = Mapping[str, Any]
Hits = Sequence[Mapping[str, Any]]
# The order of the hits that the model reads.
Order = Callable[[Hits], Hits]
# The number of hits that the model read.
_READ = re.compile(r"window=(\d+)")


def number(text: str) -> int:
    """Return the number of a storm, which is its score on the rerank server of the tests."""
    found = re.search(r"number (\d+)", text)
    assert found, text
    return int(found[1])


def by_number(hits: Hits) -> Hits:
    """Sort hits as that server does."""
    return sorted(hits, key=lambda hit: -number(hit["_source"]["body"]))


def filled(url: str) -> None:
    """Recreate the index."""
    fill(url, INDEX, {"properties": {"body": {"type": "text"}}}, DOCUMENTS)


def query(at: int, size: int = SIZE) -> dict[str, Any]:
    """Return a search with its own query text, so that no score is cached."""
    return {"query": {"match": {"body": f"rain and wind in storm {at}"}}, "size": size}


def search(at: int) -> bytes:
    """Return the encoded request."""
    return post(f"/{INDEX}/_search", json.dumps(query(at)).encode())


def windows(engine: str, numbers: Sequence[int]) -> list[Window]:
    """Fetch the windows of these searches from the engine."""
    found: list[Window] = []
    for first in range(0, len(numbers), _MANY):
        lines = [line for at in numbers[first : first + _MANY] for line in ({}, query(at, WINDOW))]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        answer = ask(engine, "POST", f"/{INDEX}/_msearch", body, NDJSON)
        found += [one["hits"] for one in answer.json["responses"]]
    return found


def outcome_of(answer: Answer) -> str:
    """Return the outcome in `X-Rerank`: `reranked`, or a reason."""
    state, _, why = answer.outcome.partition("; why=")
    return why or state.partition(";")[0]


def right(answer: Answer, window: Window, order: Order | None) -> bool:
    """Return whether a response is the expected page of the engine's window.

    The scores of a reranked page are not compared, nor its order if *order* is None.
    """
    hits = window["hits"]
    if outcome_of(answer) != "reranked":
        return answer.json["hits"] == {**window, "hits": hits[:SIZE]}
    read = int(_READ.findall(answer.outcome)[0])
    scores = [hit["_score"] for hit in answer.hits]
    falling = all(2 >= one >= another > 0 for one, another in pairwise([*scores, 1e-9]))
    known = {hit["_id"] for hit in hits}
    if order is None:
        return falling and len(scores) == len(set(answer.ids)) == min(SIZE, len(hits)) and known.issuperset(answer.ids)
    page = [*order(hits[:read]), *hits[read:]][:SIZE]
    new = [{**hit, "_score": score} for hit, score in zip(page, scores, strict=True)]
    return falling and answer.json["hits"] == {**window, "max_score": scores[0], "hits": new}
