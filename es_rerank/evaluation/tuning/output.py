"""Converts the result of tuning to JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from es_rerank.evaluation.summary import QueryChange
from es_rerank.evaluation.tuning.candidates import Candidate
from es_rerank.evaluation.tuning.summary import Point, TuneSummary
from es_rerank.evaluation.values import Side


def as_json(summary: TuneSummary) -> dict[str, Any]:
    """Return the result of tuning as JSON values. Each `value` is the mean of the measure that `measure` names."""
    setup, proposal = summary.setup, summary.proposal
    held_out = proposal.against_engine(proposal.held_out)
    return {
        "index": setup.index,
        "model": setup.model,
        "measure": setup.cutoffs.measures()[0].name,
        "queries": [_query(one) for one in summary.changes],
        "verdict": proposal.verdict,
        "engine": summary.engine,
        "current": _point(summary, summary.current),
        "chosen": _point(summary, summary.chosen),
        "held_out": {"value": float(proposal.held_out.mean()), "folds": setup.folds, "seed": setup.seed}
        | {"difference": held_out.mean, "interval": [held_out.low, held_out.high], "p": held_out.p},
        "fold_rules": [_candidate(summary, one) for one in proposal.folds],
        "rules": [_point(summary, one) for one in summary.places],
    }


def _query(one: QueryChange) -> dict[str, Any]:
    """Return the value of the measure and the ids of the first hits of a query, in the engine's and proposed order."""
    hits = {name: list(one.comparison.of(side).ids) for name, side in _SIDES}
    values = {"engine": one.baseline, "proposed": one.endpoint}
    return {"id": one.comparison.query.id, "text": one.comparison.query.text, **values, "hits": hits}


_SIDES = (("engine", Side.BASELINE), ("proposed", Side.ENDPOINT))


def _point(summary: TuneSummary, point: Point) -> dict[str, Any]:
    """Return a rule, its mean passages and tokens per search, and its mean value of the measure, as JSON values."""
    return {**_candidate(summary, point.candidate), **asdict(point.cost), "value": point.value}


def _candidate(summary: TuneSummary, candidate: Candidate) -> dict[str, Any]:
    """Return the keys of a rule that tuning compares, as JSON values."""
    variant = summary.variants[candidate.place[0]]
    return {
        "variant": variant.name,
        "fields": list(variant.fields),
        "template": variant.template,
        "long": asdict(variant.long),
        "window": candidate.place[1],
        "policy": str(candidate.policy),
        "protect": asdict(candidate.protect) if candidate.protect else None,
        "min_probability": asdict(candidate.minimum) if candidate.minimum else None,
    }
