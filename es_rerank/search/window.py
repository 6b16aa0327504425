"""What the model reads of the hits of a window, and which of them the rule protects."""

from __future__ import annotations

from collections.abc import Sequence

from es_rerank.model import Plan
from es_rerank.search.fields.verdicts import Verdict, verdicts
from es_rerank.search.known_items import first_hit, is_exact, known_item
from es_rerank.search.passages import columns_of, planned_passages
from es_rerank.search.response.hits import Hit, keys, sources
from es_rerank.search.scoring import PINNED
from es_rerank.search.visible import is_hidden


def read_window(hits: Sequence[Hit], plan: Plan, engine: Sequence[float]) -> tuple[list[str | None], tuple[str, ...]]:
    """Build the passage of each hit in the window.

    None for pinned hits, which keep their rank, and for hits of hidden indices beside other ones, which are not read.

    Args:
        hits: The hits in the engine's order.
        plan: The plan of the search.
        engine: The engine's score of each hit.

    Returns:
        The passages, and the fields that they were built from.

    """
    window = hits[: plan.window]
    texts, fields = planned_passages(sources(window), plan)
    rows = zip(texts, engine, keys(window), strict=False)
    return [None if score >= PINNED or is_hidden(index) else text for text, score, (index, *_) in rows], fields


def field_verdicts(hits: Sequence[Hit], plan: Plan) -> list[Verdict]:
    """Return for each candidate field whether the model reads it in this window, and why."""
    if not plan.chooses_fields:
        return [Verdict(name, read=True, why="named by the rule or the request") for name in plan.passage_fields]
    columns = columns_of(sources(hits[: plan.window]), plan.passage_fields)
    return verdicts(columns, plan.named_fields, plan.text)


def protected_item(
    hits: Sequence[Hit], plan: Plan, engine: Sequence[float], model: Sequence[float | None], fields: Sequence[str]
) -> int | None:
    """Return the position of a hit that the rule protects, or None.

    Args:
        hits: The hits in the engine's order.
        plan: The plan of the search.
        engine: The engine's score of each hit.
        model: A probability for each hit of the window; None if not scored.
        fields: The fields that the model has read.

    """
    if plan.rule.protect is None or (at := first_hit(engine)) == len(engine):
        return None
    first = hits[at : at + 1]
    exact = is_exact(plan.text, keys(first)[0][1], sources(first)[0], fields)
    return known_item(engine, model, exact=exact, protection=plan.rule.protect)
