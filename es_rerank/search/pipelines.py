"""OpenSearch's search pipelines: finds the pipeline of a search, and the effect of its processors.

Format: `search_pipeline` in a URL or a body, the index setting `index.search.default_pipeline`, and the definitions of
`GET /_search/pipeline/{id}`: lists of processors, each an object with its type as the only member.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from es_rerank.jsonspan import decode
from es_rerank.model import PipelineEffect, Search

# With this name, a search uses no pipeline, also not the default pipeline of its index.
NO_PIPELINE = "_none"
DEFAULT_PIPELINE = "index.search.default_pipeline"
_VERBOSE = "verbose_pipeline"

# Members of a definition that are not lists of processors.
_DESCRIPTION = frozenset({"description", "version"})
# Processors that change the query, its routing or the scores of hits, whatever the requested page. All other types are
# assumed to depend on the page: they set its size, cut or reorder its hits, or send them to a model.
_INDEPENDENT = frozenset(
    {
        ("request_processors", "acl_routing_search"),
        ("request_processors", "filter_query"),
        ("request_processors", "hierarchical_routing_search"),
        ("request_processors", "neural_query_enricher"),
        ("request_processors", "temporal_routing_search"),
        ("phase_results_processors", "normalization-processor"),
        ("phase_results_processors", "score-ranker-processor"),
    }
)
# Processors that change the fields of each hit, independently of other hits.
_PER_HIT = frozenset({"rename_field", "sort", "split"})


def chosen_pipeline(search: Search) -> str | Mapping[str, Any] | None:
    """Return the name or the definition of the pipeline that a search itself chooses; None for the index's default."""
    inline = search.body.values.get("search_pipeline")
    if isinstance(inline, dict):
        return inline
    name = search.params.get("search_pipeline", inline)
    return name if isinstance(name, str) else None


def is_verbose(search: Search) -> bool:
    """Return whether the response contains the result of each processor of the pipeline."""
    return search.params.get(_VERBOSE, search.body.values.get(_VERBOSE, False)) not in (False, "false")


def effect_of(definition: Any) -> PipelineEffect:
    """Return the effect of a pipeline with this decoded definition; PAGE if the definition is invalid."""
    if not isinstance(definition, dict):
        return PipelineEffect.PAGE
    effects = [_effect(stage, one) for stage in definition.keys() - _DESCRIPTION for one in _listed(definition[stage])]
    return max(effects, default=PipelineEffect.NONE)


def default_pipelines(settings: bytes) -> frozenset[str]:
    """Return the names of the default pipelines in a response of `_settings` with `flat_settings`.

    Raises:
        ValueError: The response has another format.

    """
    indices = decode(settings, dict[str, dict[str, dict[str, str]]])
    names = {one.get("settings", {}).get(DEFAULT_PIPELINE, NO_PIPELINE) for one in indices.values()}
    return frozenset(names - {NO_PIPELINE})


def _listed(processors: Any) -> list[Any]:
    """Return *processors* if it is a list, otherwise a list with one unknown processor."""
    return processors if isinstance(processors, list) else [None]


def _effect(stage: str, processor: Any) -> PipelineEffect:
    """Return the effect of one processor."""
    kind = next(iter(processor)) if isinstance(processor, dict) and len(processor) == 1 else None
    if (stage, kind) in _INDEPENDENT:
        return PipelineEffect.NONE
    is_per_hit = stage == "response_processors" and kind in _PER_HIT
    return PipelineEffect.PER_HIT if is_per_hit else PipelineEffect.PAGE
