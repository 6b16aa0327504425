"""The values that the parts of the program exchange: frozen data classes with almost no behavior."""

from es_rerank.model.budget import DEFAULT_BUDGET, PlanningBudget
from es_rerank.model.call import CallOptions, EngineReply
from es_rerank.model.outcome import Outcome, OutcomeState, Skip, failed, reranked, skipped
from es_rerank.model.plan import FetchPhase, FetchSpec, HitKey, Plan
from es_rerank.model.rule import (
    LongDocumentMode,
    LongDocuments,
    LowHits,
    MinProbability,
    PolicySpec,
    Protection,
    Rule,
    RuleMode,
)
from es_rerank.model.scores import Failed, Scored, ScoreRequest
from es_rerank.model.search import IndexInfo, Mappings, PipelineEffect, RerankRequest, Search, SearchBody
from es_rerank.model.why import Why

__all__ = [
    "DEFAULT_BUDGET",
    "CallOptions",
    "EngineReply",
    "Failed",
    "FetchPhase",
    "FetchSpec",
    "HitKey",
    "IndexInfo",
    "LongDocumentMode",
    "LongDocuments",
    "LowHits",
    "Mappings",
    "MinProbability",
    "Outcome",
    "OutcomeState",
    "PipelineEffect",
    "Plan",
    "PlanningBudget",
    "PolicySpec",
    "Protection",
    "RerankRequest",
    "Rule",
    "RuleMode",
    "ScoreRequest",
    "Scored",
    "Search",
    "SearchBody",
    "Skip",
    "Why",
    "failed",
    "reranked",
    "skipped",
]
