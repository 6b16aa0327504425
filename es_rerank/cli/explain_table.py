"""Formats the explanation of a search for a terminal: plan, fields, hits in the new order, and best passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from es_rerank.model import Why

Explanation = Mapping[str, Any]

_PASSAGE_CHARACTERS = 160
_ORIGINS = {
    "hits": "chosen based on the documents in the window",
    "rule": "from the rule",
    "request": "from the request",
}
# Reasons that `--force` overrides, because they are modes of the rule.
_MODES = frozenset({Why.OFF, Why.SHADOW, Why.SAMPLED_OUT})
_HEAD = ("rank", "engine", "_score", "engine score", "model", "document", "passages")


def lines(searches: Sequence[Explanation]) -> Iterator[str]:
    """Yield the output for all searches of a request, line by line."""
    for number, search in enumerate(searches, 1):
        if len(searches) > 1:
            yield f"search {number} of {len(searches)}"
        yield from _plan(search)
        result = search.get("result")
        if result:
            yield ""
            yield from _result(result, search)
        if number < len(searches):
            yield ""


def _plan(search: Explanation) -> Iterator[str]:
    """Yield the lines about the plan of a search, or about the reason why it is not reranked."""
    if search["why"]:
        yield f"not reranked: {search['why']}"
        yield f"  {search['means']}"
        yield f"  What to do: {search['do']}"
        if search["why"] in _MODES:
            yield "  To see the reranked order anyway, add --run --force."
    if search["query_text"]:
        yield f"query text: {search['query_text']}"
    if search["decision"] == "plan":
        rule, (start, size) = search["rule"], search["page"]
        yield f"window: {search['window']} hits, page: {size} hits from {start}"
        yield f"rule: {rule['name']} (mode {rule['mode']}, policy {rule['policy']}, deadline {rule['deadline']:g} s)"
        yield f"fields: {', '.join(search['passage_fields'])} ({_ORIGINS[search['passage_fields_from']]})"
        yield f"engine request: {search['upstream']['method']} {search['upstream']['path']}"
    if search["note"]:
        yield f"note: {search['note']}"


def _result(result: Explanation, search: Explanation) -> Iterator[str]:
    """Yield the lines about the result of a search: outcome, times, fields, and the hits in the new order."""
    if result["error"]:
        yield f"the engine responded with HTTP {result['status']}: {result['error']}"
        return
    times = ", ".join(f"{name} {value:g} ms" for name, value in result["times"].items())
    yield f"{result.get('header') or result['outcome']} ({times})"
    if result.get("why") and result["why"] != search["why"]:
        yield f"  {result['means']} What to do: {result['do']}"
    if result["fields"]:
        yield ""
        rows = [(one["field"], "yes" if one["read"] else "no", one["why"]) for one in result["fields"]]
        yield from table(("field", "read", "why"), rows, numbers=())
    hits = sorted((hit for hit in result["hits"] if hit["rank"] is not None), key=lambda hit: hit["rank"])
    page = hits[: search["page"][1] if search["page"] else None]
    if page:
        yield ""
        yield from table(_HEAD, [_row(hit) for hit in page], numbers=range(5))
        yield from _passages(page)


def _row(hit: Explanation) -> Sequence[str]:
    """Return the cells of one hit."""
    scores = (hit["score"], hit["engine_score"], hit["probability"])
    read = f"{len(hit['passages'])} of {hit['passages_of']}" if hit["passages"] else "-"
    return (
        str(hit["rank"]),
        str(hit["engine_rank"]),
        *("-" if score is None else f"{score:.4f}" for score in scores),
        f"{hit['index']}/{hit['id']}",
        f"{read}, truncated" if hit["truncated"] else read,
    )


def _passages(hits: Sequence[Explanation]) -> Iterator[str]:
    """Yield one line for each hit, with its best passage as the model read it."""
    if not any(hit["passages"] for hit in hits):
        return
    yield ""
    yield "best passage of each hit, as the model read it:"
    for hit in hits:
        if hit["passages"]:
            best = max(hit["passages"], key=lambda one: -1.0 if one["probability"] is None else one["probability"])
            where = f"{best['number'] + 1} of {hit['passages_of']}, about {best['tokens']} tokens"
            yield f"  {hit['rank']}. [{where}] {_short(best)}"


def _short(passage: Explanation) -> str:
    """Return the start of a passage as one line. Control characters become spaces, since terminals interpret them."""
    text = "".join(character if character.isprintable() else " " for character in passage["text"])
    text = " ".join(text.split())
    return text if len(text) <= _PASSAGE_CHARACTERS else f"{text[:_PASSAGE_CHARACTERS]}…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a table. The columns whose indices are in *numbers* are right-aligned."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        cells = (
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
