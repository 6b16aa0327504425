"""What one endpoint holds while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from es_rerank.compat.endpoints import rows
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.field_caps import FieldCapsCache
from es_rerank.rerank_client.client import Reranker
from es_rerank.search.formats.endpoints import Endpoint, in_force
from es_rerank.server.metrics import Metrics
from es_rerank.server.shadow import ShadowRunner


@dataclass(slots=True)
class Lifecycle:
    """Whether the endpoint is about to end: it still answers, but nobody new should be sent to it."""

    draining: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The parts of a running endpoint; each keeps its own state. `endpoints` are the rows in force."""

    settings: Settings
    rules: Rules
    upstream: EngineClient
    indices: FieldCapsCache
    reranker: Reranker
    metrics: Metrics
    endpoints: tuple[Endpoint, ...]
    shadows: ShadowRunner
    life: Lifecycle = field(default_factory=Lifecycle)


STATE = web.AppKey("state", State)


def build(settings: Settings, rules: Rules | None = None) -> State:
    """Put the parts together; without *rules* they are read. Raises ConfigError if they cannot be used."""
    upstream = EngineClient(settings)
    shown = rows(sniffing=settings.sniff == "rewrite", emulation=settings.emulate != "engine")
    endpoints = in_force(settings.inference_ids) + shown
    metrics = Metrics()
    parts = (
        rules or Rules(settings),
        upstream,
        FieldCapsCache(upstream, settings.max_answer),
        Reranker(settings),
        metrics,
    )
    return State(settings, *parts, endpoints, ShadowRunner(metrics, settings.reranker_max_requests))
