"""The table of query clauses: where each clause has the text that a user typed. Unknown clauses are no error.

Only query context is used: `filter` and `must_not` select documents, and their values usually come from applications.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from es_rerank.jsonspan import decode
from es_rerank.search.naming import snake_case
from es_rerank.search.query_text.leaf_clauses import (
    field_value,
    intervals,
    kql,
    model_text,
    more_like_this,
    no_text,
    own_value,
    query_string,
    query_vector,
    simple_query_string,
    span_multi,
    term_value,
    vector_text,
)
from es_rerank.search.query_text.lucene import wildcard_words
from es_rerank.search.query_text.terms import Clause, Context, QueryText, listed, member

# Members that contain no query in query context, in any clause.
_NON_SCORING_MEMBERS = frozenset(
    {"filter", "must_not", "negative", "exclude", "functions", "inner_hits", "params", "script"}
)
# Maximum number of nested `wrapper` queries. The depth of a wrapped query is added to that of the text around it.
MAX_WRAPPERS = 1
_MAX_WRAPPED_CHARACTERS = 32 * 1024
_RANDOM_SCORE = ("random_score", "randomScore")
# Scores of BM25 are about 1 to 20.
_MAX_TIE_BREAKER_WEIGHT = 0.1


def read_query(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of a query or a list of queries; for an unknown clause, the texts of known clauses inside it.

    Args:
        value: A decoded query, `{clause: value}`, or a list of queries. Names may be in camelCase.
        context: The mapping and the position of the query.

    """
    for query in value if isinstance(value, list) else (value,):
        for member_name, inner in query.items() if isinstance(query, dict) else ():
            name = member_name if member_name in CLAUSES else snake_case(member_name)
            if name in CLAUSES:
                yield from CLAUSES[name](inner, context)
            elif isinstance(inner, dict | list) and name not in _NON_SCORING_MEMBERS:
                yield from read_query(inner, context)


def inside(*keys: str) -> Clause:
    """Create the reader of a compound clause whose scoring queries are in the members *keys*."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        for key in keys:
            yield from read_query(member(value, key), context)

    return clause


def alternatives(key: str) -> Clause:
    """Create the reader of a compound clause with alternative queries in *key*; a hit may match only some of them."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        queries = member(value, key)
        yield from read_query(queries, context.one_of(_count_scoring(queries)))

    return clause


def _bool(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of `must` and `should`.

    All hits match `must`. If there are other scoring clauses, a `should` clause matches only some hits and so changes
    their order.
    """
    must, should = member(value, "must"), member(value, "should")
    yield from read_query(must, context)
    yield from read_query(should, context.one_of(_count_scoring(must) + _count_scoring(should)))


def _count_scoring(queries: Any) -> int:
    """Return the number of queries that affect the order of hits. `match_all` does not: it scores all hits equally."""
    return sum(isinstance(query, dict) and "match_all" not in query for query in listed(queries))


def _constant_score(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of the filter if it affects the order of the hits, because only some hits match it.

    This is the case in a `should` with other scoring clauses, and in `dis_max` or `hybrid` with more than one query. In
    other places, the clause adds the same score to every hit, so it is only a filter.
    """
    if context.affects_ranking:
        yield from inside("filter", "query")(value, context)


def _function_score(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of the scored query, or nothing if hits are ordered by a random score instead of relevance."""
    functions = [value, *listed(member(value, "functions"))]
    is_added = member(value, "boost_mode") == "sum"
    if not any(_is_random(one) and not (is_added and _breaks_ties(one)) for one in functions):
        yield from read_query(member(value, "query"), context)


def _is_random(function: Any) -> bool:
    """Return whether a function of a `function_score` is a random score."""
    return any(member(function, name) is not None for name in _RANDOM_SCORE)


def _breaks_ties(function: Any) -> bool:
    """Return whether the weight of a function is so low that it reorders only hits of similar scores."""
    weight = member(function, "weight")
    return isinstance(weight, int | float) and weight <= _MAX_TIE_BREAKER_WEIGHT


def _script_score(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of the scored query, or nothing if the script uses a random score."""
    script = member(value, "script")
    if "randomScore" not in str(member(script, "source") or script):
        yield from read_query(member(value, "query"), context)


def _wrapper(value: Any, context: Context) -> Iterator[QueryText]:
    """Yield the texts of a query that is sent as Base64-encoded JSON."""
    encoded = member(value, "query")
    if context.wrappers >= MAX_WRAPPERS or not isinstance(encoded, str) or len(encoded) > _MAX_WRAPPED_CHARACTERS:
        return
    try:
        query = decode(b64decode(encoded))
    except ValueError:
        return
    yield from read_query(query, replace(context, wrappers=context.wrappers + 1))


CLAUSES: Mapping[str, Clause] = {
    "match": field_value("query"),
    "match_phrase": field_value("query"),
    "match_phrase_prefix": field_value("query"),
    "match_bool_prefix": field_value("query"),
    "common": field_value("query"),
    "multi_match": own_value("query"),
    "combined_fields": own_value("query"),
    "query_string": query_string,
    "simple_query_string": simple_query_string,
    "kql": kql,
    "intervals": intervals,
    "more_like_this": more_like_this,
    "fuzzy": field_value("value"),
    "term": term_value("value", "term"),
    "terms": term_value(),
    "terms_set": term_value("terms"),
    "prefix": term_value("value", "prefix"),
    "wildcard": term_value("value", "wildcard", reduce=wildcard_words),
    "span_term": field_value("value", "term"),
    "span_multi": span_multi,
    "span_near": inside("clauses"),
    "span_or": inside("clauses"),
    "span_first": inside("match"),
    "span_not": inside("include"),
    "span_containing": inside("big", "little"),
    "span_within": inside("big", "little"),
    "field_masking_span": inside("query"),
    "span_field_masking": inside("query"),
    "semantic": model_text("query"),
    "sparse_vector": model_text("query"),
    "text_expansion": vector_text("model_text"),
    "neural": vector_text("query_text"),
    "neural_sparse": vector_text("query_text"),
    "agentic": own_value("query_text"),
    "knn": query_vector,
    "dense_vector": query_vector,
    "wrapper": _wrapper,
    "bool": _bool,
    "dis_max": alternatives("queries"),
    "hybrid": alternatives("queries"),
    "constant_score": _constant_score,
    "boosting": inside("positive"),
    "filtered": inside("query"),
    "pinned": inside("organic"),
    "rule": inside("organic"),
    "rule_query": inside("organic"),
    "nested": inside("query"),
    "has_child": inside("query"),
    "has_parent": inside("query"),
    "script_score": _script_score,
    "function_score": _function_score,
    "match_all": no_text,
    "match_none": no_text,
    "range": no_text,
    "regexp": no_text,
    "exists": no_text,
    "ids": no_text,
    "type": no_text,
    "parent_id": no_text,
    "percolate": no_text,
    "script": no_text,
    "template": no_text,
    "weighted_tokens": no_text,
    "bitmap_terms": no_text,
    "rank_feature": no_text,
    "distance_feature": no_text,
    "geo_bounding_box": no_text,
    "geo_distance": no_text,
    "geo_grid": no_text,
    "geo_polygon": no_text,
    "geo_shape": no_text,
    "shape": no_text,
    "xy_shape": no_text,
    "span_gap": no_text,
}
