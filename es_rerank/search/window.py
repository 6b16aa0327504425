"""Builds the passages of the hits of a window, and computes the order of the hits from their scores and a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.model import LowHits, MinProbability, Plan, Rule
from es_rerank.search.fields.verdicts import Verdict, verdicts
from es_rerank.search.known_items import first_hit, is_exact, known_item
from es_rerank.search.passages import columns_of, planned_passages
from es_rerank.search.response.hits import Hit, index_names, keys, sources
from es_rerank.search.scoring import PINNED, Ranking, rank
from es_rerank.search.visible import is_hidden


def read_window(hits: Sequence[Hit], plan: Plan, engine: Sequence[float]) -> tuple[list[str | None], tuple[str, ...]]:
    """Build the passage of each hit in the window.

    The passage is None for pinned hits, which keep their rank. It is also None for hits of hidden indices that were
    found together with hits of other indices, because the model must not read them.

    Args:
        hits: The hits in the engine's order.
        plan: The plan of the search.
        engine: The engine's score of each hit.

    Returns:
        The passages, and the fields that they were built from.

    """
    window = hits[: plan.window]
    texts, fields = planned_passages(sources(window), plan)
    names = index_names(window)
    hidden = {name for name in set(names) if is_hidden(name)}
    rows = zip(texts, engine, names, strict=False)
    return [None if score >= PINNED or name in hidden else text for text, score, name in rows], fields


def field_verdicts(hits: Sequence[Hit], plan: Plan) -> list[Verdict]:
    """Return a verdict for each candidate field: whether the model reads it in this window, and the reason."""
    columns = columns_of(sources(hits[: plan.window]), plan.passage_fields)
    if not plan.chooses_fields:
        return [_given(name, texts) for name, texts in columns.items()]
    return verdicts(columns, plan.named_fields, plan.text)


def _given(name: str, texts: Sequence[str]) -> Verdict:
    """Return the verdict for a field that the rule or the request names. A misspelled field has no texts."""
    if any(texts):
        return Verdict(name, read=True, why="named by the rule or the request")
    return Verdict(name, read=False, why="named by the rule or the request, but no document of the window has a value")


def minimum(plan: Plan) -> MinProbability | None:
    """Return the lowest probability with which hits keep their rank, and what happens to other hits; None for no limit.

    A `min_score` in the request overrides the rule. It also drops hits without a score, as in the engine.
    """
    if plan.min_score is not None:
        return MinProbability(plan.min_score, LowHits.ONLY_SCORED)
    return plan.rule.min_probability


def moves_hits(plan: Plan) -> bool:
    """Return whether the rule may move hits of the window to the end of all hits of the search."""
    lowest = minimum(plan)
    return lowest is not None and lowest.below is LowHits.LAST


@dataclass(frozen=True, slots=True)
class WindowScores:
    """The scores of the fetched hits, and whether the first one is an exact match. A rule orders the hits by these.

    Attributes:
        engine: The engine's score of each fetched hit, in the engine's order.
        model: A probability for each hit of the window (the first hits of *engine*); None for a hit without a score.
        exact: Whether the first hit that is not pinned is an exact match; see `is_exact`. False if the rule of the plan
            protects no hits.

    """

    engine: Sequence[float]
    model: Sequence[float | None]
    exact: bool = False


def window_scores(
    hits: Sequence[Hit], plan: Plan, engine: Sequence[float], model: Sequence[float | None], fields: Sequence[str]
) -> WindowScores:
    """Return the scores that determine the order of hits.

    Args:
        hits: The hits in the engine's order.
        plan: The plan of the search.
        engine: The engine's score of each hit.
        model: A probability for each hit of the window; None for a hit that was not scored.
        fields: The fields that the model has read.

    """
    at = first_hit(engine)
    if plan.rule.protect is None or at == len(engine):
        return WindowScores(engine, model)
    (key,), (source,) = keys([hits[at]]), sources([hits[at]])
    return WindowScores(engine, model, is_exact(plan.text, key.id, source, fields))


def ranked(scores: WindowScores, rule: Rule, lowest: MinProbability | None) -> Ranking:
    """Return the order and the new scores of the fetched hits according to a rule.

    Args:
        scores: The scores of the hits.
        rule: The rule, which has the policy and the thresholds for known items.
        lowest: The lowest probability, and what happens to hits below it, see `minimum`; None for no limit.

    """
    first = (
        known_item(scores.engine, scores.model, exact=scores.exact, protection=rule.protect) if rule.protect else None
    )
    return rank(rule.policy, scores.engine, scores.model, lowest, first)
