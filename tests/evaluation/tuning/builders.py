"""Pools for the tests of tuning: ten queries whose answers the engine finds last and the model finds best."""

from __future__ import annotations

from collections.abc import Sequence

from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.tuning.candidates import candidates, current
from es_rerank.evaluation.tuning.outcomes import Outcomes
from es_rerank.evaluation.tuning.selection import Proposal, Selector, propose
from es_rerank.evaluation.tuning.summary import TuneSetup, TuneSummary, summarize
from es_rerank.evaluation.tuning.values import PassageVariant, Place, Pool, ScoredWindow
from es_rerank.evaluation.values import FoundHit, Query
from es_rerank.model import LongDocuments, PolicySpec, Rule

RULE = Rule("docs", window=4, policy=PolicySpec("replace"))
VARIANTS = (
    PassageVariant("as now", (), None, LongDocuments()),
    PassageVariant("only title", ("title",), None, LongDocuments()),
)
PLACES: tuple[Place, ...] = ((0, 2), (0, 4), (1, 2), (1, 4))
CUTOFFS = Cutoffs(k=3)
SETUP = TuneSetup("docs", "a model", "t.json", CUTOFFS, folds=5, seed=1)
ENGINE = (9.0, 8.0, 7.0, 6.0)
GOOD = (0.1, 0.2, 0.3, 0.9)
BAD = (0.9, 0.3, 0.2, 0.1)
HITS = tuple(FoundHit(f"d{at}", f"Title {at}") for at in range(4))


def pool(key: str, relevant: int, model: Sequence[float | None] = GOOD, *, exact: bool = False) -> Pool:
    """Return a query with one relevant hit. The second variant has no scores, so it keeps the engine's order."""
    windows = {
        (variant, window): ScoredWindow(
            tuple(model[:window]) if variant == 0 else (None,) * window, exact, window, 100 * window
        )
        for variant, window in PLACES
    }
    return Pool(Query(key, f"text of {key}"), {f"d{relevant}": 1.0}, HITS, ENGINE, windows)


def pools(count: int = 10, relevant: int = 3, model: Sequence[float | None] = GOOD) -> list[Pool]:
    return [pool(f"q{at}", relevant, model) for at in range(count)]


def selector(found: Sequence[Pool], rule: Rule = RULE) -> Selector:
    return Selector(Outcomes(found, CUTOFFS), list(dict.fromkeys([current(rule), *candidates(PLACES, rule)])))


def summary(found: Sequence[Pool]) -> tuple[TuneSummary, Proposal]:
    chosen_from = selector(found)
    proposal = propose(chosen_from, SETUP.folds, SETUP.seed)
    return summarize(SETUP, VARIANTS, chosen_from, proposal), proposal
