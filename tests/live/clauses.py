"""A query for each clause from which query text is extracted, and the engines of the live tests that support it.

The table in docs/reference.md is generated from it; clauses that no engine supports are implemented from documentation.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from .requests import NESTED, RIVER, TITLE

OPENSEARCH = "opensearch"
ELASTICSEARCH = "elasticsearch"
BOTH = frozenset({OPENSEARCH, ELASTICSEARCH})
IN_OPENSEARCH = frozenset({OPENSEARCH})
NEITHER: frozenset[str] = frozenset()
SPAN = {"span_term": {"body": "river"}}
MILL = {"span_term": {"body": "mill"}}
WRAPPED = b64encode(json.dumps(RIVER).encode()).decode()


class Sample(NamedTuple):
    """The body of a clause, and the engines that support it."""

    query: Any
    runs_on: frozenset[str] = BOTH


SAMPLES: Mapping[str, Sample] = {
    "match": Sample({"body": "river mill"}),
    "match_phrase": Sample({"body": "the river"}),
    "match_phrase_prefix": Sample({"body": "the riv"}),
    "match_bool_prefix": Sample({"body": "mill riv"}),
    "common": Sample({"body": {"query": "the river", "cutoff_frequency": 0.01}}, IN_OPENSEARCH),
    "multi_match": Sample({"query": "river mill", "fields": ["title^2", "body"], "type": "cross_fields"}),
    "combined_fields": Sample({"query": "river mill", "fields": ["title", "body"]}),
    "query_string": Sample({"query": 'river AND (mill OR "a boat") -stones', "default_field": "body"}),
    "simple_query_string": Sample({"query": '"the river" +mill', "fields": ["body"]}),
    "kql": Sample({"query": "body: river and not tag: stone"}, NEITHER),
    "intervals": Sample({"body": {"match": {"query": "river mill", "max_gaps": 5}}}),
    "more_like_this": Sample({"fields": ["body"], "like": "the river mill", "min_term_freq": 1, "min_doc_freq": 1}),
    "fuzzy": Sample({"body": {"value": "rivr"}}),
    "term": Sample({"body": "river"}),
    "terms": Sample({"body": ["river", "mill"]}),
    "terms_set": Sample(
        {"body": {"terms": ["river", "mill"], "minimum_should_match_script": {"source": "1"}}}, IN_OPENSEARCH
    ),
    "prefix": Sample({"body": "riv"}),
    "wildcard": Sample({"body": "riv*"}),
    "span_term": Sample({"body": "river"}),
    "span_near": Sample({"clauses": [SPAN, MILL], "slop": 9, "in_order": False}),
    "span_or": Sample({"clauses": [SPAN, MILL]}),
    "span_first": Sample({"match": SPAN, "end": 5}),
    "span_not": Sample({"include": SPAN, "exclude": MILL}),
    "span_containing": Sample({"big": {"span_near": {"clauses": [SPAN, MILL], "slop": 9}}, "little": SPAN}),
    "span_within": Sample({"big": {"span_near": {"clauses": [SPAN, MILL], "slop": 9}}, "little": SPAN}),
    "field_masking_span": Sample({"query": {"span_term": {"title": "river"}}, "field": "body"}),
    "span_multi": Sample({"match": {"prefix": {"body": "riv"}}}),
    "wrapper": Sample({"query": WRAPPED}),
    "bool": Sample({"must": [RIVER], "should": [TITLE], "filter": {"range": {"year": {"gte": 1900}}}}),
    "dis_max": Sample({"queries": [RIVER, TITLE], "tie_breaker": 0.3}),
    "boosting": Sample({"positive": RIVER, "negative": {"term": {"tag": "stone"}}, "negative_boost": 0.5}),
    "constant_score": Sample({"filter": RIVER}),
    "function_score": Sample({"query": RIVER, "field_value_factor": {"field": "year"}}),
    "script_score": Sample({"query": RIVER, "script": {"source": "_score * 2"}}, IN_OPENSEARCH),
    "nested": Sample(NESTED["nested"]),
    "has_child": Sample({"type": "review", "query": RIVER, "score_mode": "max"}, IN_OPENSEARCH),
    "has_parent": Sample({"parent_type": "book", "query": RIVER, "score": True}, IN_OPENSEARCH),
    "pinned": Sample({"ids": ["b3"], "organic": RIVER}, NEITHER),
    "rule": Sample({"organic": RIVER, "ruleset_ids": ["r"], "match_criteria": {"q": "river"}}, NEITHER),
    "rule_query": Sample({"organic": RIVER, "ruleset_ids": ["r"], "match_criteria": {"q": "river"}}, NEITHER),
    "hybrid": Sample({"queries": [RIVER, TITLE]}, NEITHER),
    "semantic": Sample({"field": "body", "query": "river"}, NEITHER),
    "sparse_vector": Sample({"field": "v", "inference_id": "i", "query": "river"}, NEITHER),
    "text_expansion": Sample({"v": {"model_id": "m", "model_text": "river"}}, NEITHER),
    "neural": Sample({"v": {"query_text": "river", "model_id": "m", "k": 3}}, NEITHER),
    "neural_sparse": Sample({"v": {"query_text": "river", "model_id": "m"}}, NEITHER),
    "agentic": Sample({"query_text": "river"}, NEITHER),
    "knn": Sample(
        {"field": "v", "query_vector_builder": {"text_embedding": {"model_id": "m", "model_text": "river"}}}, NEITHER
    ),
}
