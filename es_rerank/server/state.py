"""The components of a running endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from es_rerank.compat import endpoints as compat_endpoints
from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.field_caps import FieldCapsCache
from es_rerank.engine_client.reachability import EngineReachability
from es_rerank.rerank_client.client import Reranker
from es_rerank.search.formats.endpoints import EndpointRow, in_force
from es_rerank.server.engine_times import EngineTimes
from es_rerank.server.field_choices import FieldChoices
from es_rerank.server.memory import MemoryBudget
from es_rerank.server.metrics import Metrics
from es_rerank.server.recent_searches import RecentSearches
from es_rerank.server.search_log import SearchLog
from es_rerank.server.search_pipelines import SearchPipelines
from es_rerank.server.shadow import ShadowRunner
from es_rerank.server.ubi_log import UbiLog
from es_rerank.server.window_limits import WindowLimits


@dataclass(slots=True)
class Lifecycle:
    """The phase of the endpoint. If `draining`, it responds, but load balancers should send no more requests to it."""

    draining: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The components of a running endpoint. Each component manages its own state.

    `endpoints` has the active rows of the table of endpoints.
    """

    settings: Settings
    rules: Rules
    upstream: EngineClient
    reachability: EngineReachability
    indices: FieldCapsCache
    pipelines: SearchPipelines
    window_limits: WindowLimits
    reranker: Reranker
    metrics: Metrics
    endpoints: tuple[EndpointRow, ...]
    memory: MemoryBudget
    shadows: ShadowRunner
    search_log: SearchLog
    ubi_log: UbiLog
    life: Lifecycle = field(default_factory=Lifecycle)
    engine_times: EngineTimes = field(default_factory=EngineTimes)
    field_choices: FieldChoices = field(default_factory=FieldChoices)
    recent: RecentSearches = field(default_factory=RecentSearches)


STATE = web.AppKey("state", State)


def build(settings: Settings, rules: Rules | None = None) -> State:
    """Create the components of an endpoint.

    Args:
        settings: The active settings.
        rules: The active rules; None reads them from the folder in the settings.

    Raises:
        ConfigError: A file named in the settings cannot be used.

    """
    engine = EngineClient(settings)
    compat = compat_endpoints.rows(sniffing=settings.sniff == "rewrite", emulation=settings.emulate != "engine")
    metrics, rules = Metrics(), rules or Rules(settings)
    metrics.start_rules(["", rules.default_rule.name, *(rule.name for rule in rules)])
    return State(
        settings=settings,
        rules=rules,
        upstream=engine,
        reachability=EngineReachability(engine),
        indices=FieldCapsCache(engine, settings.max_answer, anonymous_headers=settings.anonymous_headers),
        pipelines=SearchPipelines(),
        window_limits=WindowLimits(),
        reranker=Reranker(settings),
        metrics=metrics,
        endpoints=in_force(settings.inference_ids) + compat,
        memory=MemoryBudget(settings.max_memory),
        search_log=SearchLog(settings),
        shadows=ShadowRunner(metrics, settings.reranker_max_requests),
        ubi_log=UbiLog(settings.ubi_log),
    )
