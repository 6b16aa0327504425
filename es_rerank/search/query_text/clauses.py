"""The table of query clauses: which words of a person each of them holds. An unknown clause is never an error.

Only scoring context counts: what stands in `filter` or `must_not` chose the documents, nobody typed it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

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
from es_rerank.search.query_text.terms import Clause, Context, QueryText, items, listed, member

# Parts of a clause that are no scoring query, whatever the clause.
_ASIDE = frozenset({"filter", "must_not", "negative", "exclude", "functions", "inner_hits", "params", "script"})


def walk(value: Any, context: Context) -> Iterator[QueryText]:
    """Read a query or a list of queries; below an unknown clause, those that are known.

    Old clients write names in camelCase. Raises RecursionError for what is deeper than any engine takes.
    """
    for query in listed(value):
        for written, inner in items(query):
            name = written if written in CLAUSES else snake_case(written)
            if name in CLAUSES:
                yield from CLAUSES[name](inner, context)
            elif isinstance(inner, dict | list) and name not in _ASIDE:
                yield from walk(inner, context)


def inside(*keys: str) -> Clause:
    """Make a compound clause whose scoring queries stand under *keys*."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        for key in keys:
            yield from walk(member(value, key), context)

    return clause


def alternatives(key: str) -> Clause:
    """Make a compound clause whose score depends on which of the queries under *key* a document matches."""

    def clause(value: Any, context: Context) -> Iterator[QueryText]:
        queries = member(value, key)
        yield from walk(queries, context.among(_scoring(queries)))

    return clause


def _bool(value: Any, context: Context) -> Iterator[QueryText]:
    """Read `must` and `should`; beside others, a part of `should` makes a difference to the score."""
    must, should = member(value, "must"), member(value, "should")
    yield from walk(must, context)
    yield from walk(should, context.among(_scoring(must) + _scoring(should)))


def _scoring(queries: Any) -> int:
    """Count queries; `match_all` scores nothing that counts."""
    return sum(isinstance(one, dict) and "match_all" not in one for one in listed(queries))


def _constant_score(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the filter where it is one of several parts that share a score: matching it or not puts hits in order.

    Such parts are those of a `should` beside other scoring clauses, and of `dis_max` or `hybrid` with more than one
    query, and all that is below them. Anywhere else all hits get the same from it: it is a filter, without words.
    """
    if context.affects_ranking:
        yield from inside("filter", "query")(value, context)


def _function_score(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the scored query; a random score wants chance, not relevance."""
    functions = [value, *listed(member(value, "functions"))]
    if not any(member(one, name) is not None for one in functions for name in ("random_score", "randomScore")):
        yield from walk(member(value, "query"), context)


def _script_score(value: Any, context: Context) -> Iterator[QueryText]:
    """Read the scored query; a script may want chance too."""
    script = member(value, "script")
    if "randomScore" not in str(member(script, "source") or script):
        yield from walk(member(value, "query"), context)


def _wrapper(value: Any, context: Context) -> Iterator[QueryText]:
    """Read a query that is sent as JSON in base64."""
    text = member(value, "query")
    try:
        query = msgspec.json.decode(b64decode(text)) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return
    yield from walk(query, context)


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
