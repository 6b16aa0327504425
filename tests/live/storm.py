"""The searches of the tests of faults and kills, and the pages that should come of them."""

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
# The order that a model gives to the hits that it reads.
Order = Callable[[Hits], Hits]
# How many hits the model read.
_READ = re.compile(r"window=(\d+)")


def number(text: str) -> int:
    """Read the number of a storm, by which the tests' own rerank server scores."""
    found = re.search(r"number (\d+)", text)
    assert found, text
    return int(found[1])


def by_number(hits: Hits) -> Hits:
    """Order hits as that server does."""
    return sorted(hits, key=lambda hit: -number(hit["_source"]["body"]))


def filled(url: str) -> None:
    """Fill the index anew."""
    fill(url, INDEX, {"properties": {"body": {"type": "text"}}}, DOCUMENTS)


def query(at: int, size: int = SIZE) -> dict[str, Any]:
    """Write one of many searches, each with words of its own, so that no score is remembered."""
    return {"query": {"match": {"body": f"rain and wind in storm {at}"}}, "size": size}


def search(at: int) -> bytes:
    """Write the whole request."""
    return post(f"/{INDEX}/_search", json.dumps(query(at)).encode())


def windows(engine: str, numbers: Sequence[int]) -> list[Window]:
    """Ask the engine itself for the windows of these searches."""
    found: list[Window] = []
    for first in range(0, len(numbers), _MANY):
        lines = [line for at in numbers[first : first + _MANY] for line in ({}, query(at, WINDOW))]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        answer = ask(engine, "POST", f"/{INDEX}/_msearch", body, NDJSON)
        found += [one["hits"] for one in answer.json["responses"]]
    return found


def told(answer: Answer) -> str:
    """Read what a client was told: `reranked`, or why not."""
    state, _, why = answer.outcome.partition("; why=")
    return why or state.partition(";")[0]


def right(answer: Answer, window: Window, order: Order | None) -> bool:
    """Tell whether an answer is the page that should have come of the engine's window.

    A reranked page has scores of its own; an order that nobody knows beforehand is not compared.
    """
    hits = window["hits"]
    if told(answer) != "reranked":
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
