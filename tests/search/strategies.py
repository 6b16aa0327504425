"""Hypothesis strategies for the Elasticsearch side: valid skeletons, damaged ones, and arbitrary JSON.

A property that holds for arbitrary JSON is soon proven by values that are rejected at once. So the properties of
requests and responses are checked on valid values first, then on valid values with one wrong part (`damaged`), and
`reaching` fails if too few of the examples got as far as the property says anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from es_rerank.search.query_text.clauses import CLAUSES
from es_rerank.search.query_text.retrievers import RETRIEVERS

QUERY_CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent.parent / "cases" / "query.yaml").read_text(encoding="utf-8")
)

# Arbitrary values.

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()

JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""Any JSON value."""

_MEMBERS = [
    "body",
    "boost",
    "clauses",
    "doc",
    "docs",
    "embedding",
    "fields",
    "filter",
    "functions",
    "include",
    "input",
    "intervals",
    "knn",
    "like",
    "match",
    "must",
    "organic",
    "positive",
    "queries",
    "query",
    "query_vector_builder",
    "rank",
    "rank_window_size",
    "rescore",
    "retriever",
    "retrievers",
    "should",
    "sort",
    "sub_searches",
    "text_embedding",
    "value",
    "window_size",
]
_NAMES = st.sampled_from([*CLAUSES, *RETRIEVERS, *_MEMBERS])
_SYNTAX = st.text(st.sampled_from('ab +-!(){}:"~*?\\<>ANDnot庭'))
MISPLACED: st.SearchStrategy[Any] = st.recursive(
    SCALARS | _SYNTAX,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
"""JSON made of the names of clauses, retrievers and their members, in places where they have no meaning."""

# Queries.

_WORDS = st.sampled_from(["garden", "hose", "leaking", "tap", "庭のホース", "c++", "café"])
TEXTS = st.lists(_WORDS, min_size=1, max_size=4, unique=True).map(" ".join)
"""A text that a person may type: a few words."""

TEXT_FIELDS = st.sampled_from(["title", "body", "comments.text"])

LEAF_QUERIES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda field, text: {"match": {field: text}}, TEXT_FIELDS, TEXTS),
    st.builds(lambda field, text: {"match_phrase": {field: {"query": text, "slop": 2}}}, TEXT_FIELDS, TEXTS),
    st.builds(lambda text: {"multi_match": {"query": text, "fields": ["title^3", "body"]}}, TEXTS),
    st.builds(lambda text: {"query_string": {"query": f"title:({text}) AND NOT rusty~1"}}, TEXTS),
    st.builds(lambda text: {"simple_query_string": {"query": f'"{text}" -rusty', "fields": ["body"]}}, TEXTS),
    st.builds(lambda field, text: {"kql": {"query": f'{field}: "{text}" and not rusty'}}, TEXT_FIELDS, TEXTS),
    st.builds(lambda text: {"semantic": {"field": "meaning", "query": text}}, TEXTS),
)
"""A valid query of one full-text clause, with a text."""

RECORDED_QUERIES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        case["query"]
        for case in QUERY_CASES
        if case["text"] and "query" in case and not {"field_types", "invalid"} & case.keys()
    ]
)
"""A query of tests/cases/query.yaml that has a text whatever the mapping: of every clause, and of known clients."""


def _compound_query(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda must: {"bool": {"must": must, "filter": [{"term": {"tag": "diy"}}]}}, several),
        st.builds(lambda must, should: {"bool": {"must": must, "should": should}}, inner, several),
        st.builds(lambda queries: {"dis_max": {"queries": queries, "tie_breaker": 0.3}}, several),
        st.builds(lambda query: {"nested": {"path": "comments", "query": query}}, inner),
        st.builds(lambda query: {"function_score": {"query": query, "boost_mode": "sum"}}, inner),
        st.builds(lambda query: {"boosting": {"positive": query, "negative": {"term": {"tag": "old"}}}}, inner),
    )


VALID_QUERIES = st.recursive(LEAF_QUERIES, _compound_query, max_leaves=5) | RECORDED_QUERIES
"""A valid query with a text: one clause, or several in compound clauses."""

# Search requests.

_OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "from": st.integers(0, 120),
    "size": st.integers(1, 80),
    "sort": st.sampled_from(["_score", ["_score", {"date": "asc"}], {"_score": {"order": "desc"}}, [], None]),
    "_source": st.sampled_from([True, False, ["title"], "title", {"excludes": ["body"]}]),
    "fields": st.lists(st.sampled_from(["title", "ta*", {"field": "date", "format": "epoch_millis"}]), max_size=2),
    "highlight": st.just({"fields": {"body": {}}}),
    "aggs": st.just({"tags": {"terms": {"field": "tag"}}}),
    "track_total_hits": st.booleans(),
    "min_score": st.floats(0, 5),
    "post_filter": st.just({"term": {"tag": "diy"}}),
    "timeout": st.just("2s"),
}

SEARCH_BODIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({"query": VALID_QUERIES}, optional=_OPTIONS)
"""A valid search body whose query has a text and whose hits are in the order of relevance: one that is reranked."""

_STANDARD = st.builds(lambda query: {"standard": {"query": query, "filter": {"term": {"tag": "diy"}}}}, LEAF_QUERIES)
_KNN = st.builds(
    lambda text: {
        "knn": {"field": "v", "k": 5, "query_vector_builder": {"text_embedding": {"model_id": "m", "model_text": text}}}
    },
    TEXTS,
)


def _compound_retriever(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several, size = st.lists(inner, min_size=1, max_size=3), st.integers(1, 100)
    return st.one_of(
        st.builds(lambda found, size: {"rrf": {"retrievers": found, "rank_window_size": size}}, several, size),
        st.builds(lambda one: {"linear": {"retrievers": [{"retriever": one, "weight": 2}]}}, inner),
        st.builds(lambda text: {"rrf": {"query": text, "fields": ["title", "body"]}}, TEXTS),
        st.builds(lambda one, size: {"rescorer": {"rescore": {"window_size": size}, "retriever": one}}, inner, size),
        st.builds(lambda one: {"pinned": {"ids": ["1"], "retriever": one}}, inner),
        st.builds(lambda one: {"rule": {"ruleset_ids": ["r"], "match_criteria": {}, "retriever": one}}, inner),
        st.builds(lambda one: {"diversify": {"type": "mmr", "field": "v", "retriever": one}}, inner),
        st.builds(
            lambda one, text, size: {
                "text_similarity_reranker": {"inference_text": text, "retriever": one, "rank_window_size": size}
            },
            inner,
            TEXTS,
            size,
        ),
    )


VALID_RETRIEVERS: st.SearchStrategy[dict[str, Any]] = st.recursive(_STANDARD | _KNN, _compound_retriever, max_leaves=4)
"""A valid retriever with a text: `standard` and `knn`, alone or inside the others."""

COMPOUND_RETRIEVERS = _compound_retriever(VALID_RETRIEVERS)
"""A valid retriever with a text that ranks the hits of others, and so has a rank window."""

RETRIEVER_BODIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"retriever": VALID_RETRIEVERS}, optional={name: _OPTIONS[name] for name in ("from", "size", "_source", "aggs")}
)
"""A valid search body with a retriever that has a text."""

MSEARCH_REQUESTS: st.SearchStrategy[list[tuple[dict[str, Any], dict[str, Any]]]] = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {},
            optional={
                "index": st.sampled_from(["docs", "docs,books", ["docs", "books"], "do*"]),
                "routing": st.sampled_from(["a", 7]),
                "search_type": st.just("dfs_query_then_fetch"),
                "ignoreUnavailable": st.booleans(),
            },
        ),
        SEARCH_BODIES | RETRIEVER_BODIES,
    ),
    min_size=1,
    max_size=4,
)
"""The searches of a valid `_msearch` request, each as its decoded header and body. Each is one line of the request."""

RANK_EVAL_BODIES: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda bodies, metric: {
        "requests": [
            {"id": f"q{number}", "request": body, "ratings": [{"_index": "docs", "_id": "1", "rating": 3}]}
            for number, body in enumerate(bodies)
        ],
        "metric": metric,
    },
    st.lists(st.fixed_dictionaries({"query": VALID_QUERIES}), min_size=1, max_size=3),
    st.sampled_from([{"precision": {"k": 20}}, {"recall": {}}, {"dcg": {"k": 5, "normalize": True}}]),
)
"""A valid `_rank_eval` body; each of its searches has a text."""

# Responses.


def _response(scores: list[float]) -> dict[str, Any]:
    hits = [
        {"_index": "docs", "_id": str(number), "_score": score, "_source": {"title": f"hose {number}", "body": "leaks"}}
        for number, score in enumerate(sorted(scores, reverse=True))
    ]
    return {
        "took": 3,
        "timed_out": False,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {
            "total": {"value": len(hits), "relation": "eq"},
            "max_score": hits[0]["_score"] if hits else None,
            "hits": hits,
        },
    }


SEARCH_RESPONSES: st.SearchStrategy[dict[str, Any]] = st.lists(st.floats(0, 30), max_size=6).map(_response)
"""A valid response of `_search`, decoded, with hits in the engine's order. tests/search/answers.py has odd spacing."""

ASYNC_RESPONSES: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda response, running: {
        "id": "FmFzeW5jLXNlYXJjaC0wMDAxAAAAAAAAAAcbbm9kZS0xOjQyOjEyMw==",
        "is_partial": running,
        "is_running": running,
        "start_time_in_millis": 1583945890986,
        "expiration_time_in_millis": 1584377890986,
        "response": response,
    },
    SEARCH_RESPONSES,
    st.booleans(),
)
"""A valid response of Elasticsearch's `_async_search`, decoded: running with partial hits, or complete."""

# Wrong values, and the share of right ones.


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """Iterate over the paths to all parts of a JSON value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (key,)
        yield from ((key, *path) for path in _paths(part))


def _with_part(value: Any, path: Sequence[Any], part: Any) -> Any:
    """Return a copy of a JSON value with another part at a path."""
    key, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = _with_part(copy[key], rest, part) if rest else part
    return copy


@st.composite
def damaged(draw: st.DrawFn, values: st.SearchStrategy[Any], parts: st.SearchStrategy[Any] = JSON) -> Any:
    """Draw a JSON value and put another value in the place of one of its parts, or next to it as a new member."""
    value = draw(values)
    paths = list(_paths(value))
    if not paths:
        return value
    *parent, key = draw(st.sampled_from(paths))
    if isinstance(key, str) and draw(st.booleans()):
        key = draw(_NAMES)
    return _with_part(value, [*parent, key], draw(parts))


# With fewer examples their share would depend too much on chance.
_MIN_EXAMPLES = 100


def reaching(share: float, *strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., bool]], Callable[[], None]]:
    """Make a property test of a function that returns whether an example reached its claim.

    Args:
        share: fail if a smaller share of all examples reached the claim, 0 to 1.
        strategies: what is drawn for the function's parameters.
    """

    def decorate(holds: Callable[..., bool]) -> Callable[[], None]:
        def test() -> None:
            reached: list[bool] = []

            @settings(max_examples=max(settings().max_examples, _MIN_EXAMPLES))
            @given(*strategies)
            @wraps(holds)
            def example(*values: Any, **named: Any) -> None:
                reached.append(holds(*values, **named))

            example()
            assert sum(reached) >= share * len(reached), f"{sum(reached)} of {len(reached)} examples reached the claim"

        test.__name__, test.__doc__ = holds.__name__, holds.__doc__
        return test

    return decorate
