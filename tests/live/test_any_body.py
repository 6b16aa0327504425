"""Every body that an engine accepts is accepted through the endpoint too, with the same hits and other members."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from es_rerank_lab.parts.engines import Engine

from .books import DOCUMENTS, INDEX, MAPPINGS
from .clauses import SAMPLES
from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .requests import NESTED, RESCORE, RIVER, TITLE
from .test_carriers import ALONE, took
from .wire import ask, fill

EXAMPLES = 120
CLAUSES = [{name: sample.query} for name, sample in SAMPLES.items() if len(sample.runs_on) > 1]
QUERIES = st.recursive(
    st.sampled_from([RIVER, TITLE, NESTED, *CLAUSES]),
    lambda inner: (
        st.builds(
            lambda must, should, aside: {"bool": {"must": must, "should": should, "filter": aside}},
            st.lists(inner, max_size=2),
            st.lists(inner, max_size=2),
            st.lists(inner, max_size=1),
        )
        | st.builds(lambda queries: {"dis_max": {"queries": queries}}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=4,
)
# Each member of a body with values that the engines accept, and some that they reject.
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "from": st.sampled_from([0, 1, 4, 5, 7, 100, 10_001, -1, "3"]),
    "size": st.sampled_from([0, 1, 2, 3, 5, 10, 100, 10_001, -1, "3", None]),
    "sort": st.sampled_from(["_score", ["_score", {"year": "asc"}], [], {"_score": {"order": "desc"}}, "year", "nope"]),
    "_source": st.sampled_from([True, False, [], ["title"], "sh*", {"excludes": ["body"]}, {"includes": []}, 3]),
    "fields": st.sampled_from([[], ["title"], ["t*", "year"], [{"field": "when", "format": "yyyy"}], "title"]),
    "docvalue_fields": st.sampled_from([["year"], [{"field": "tag"}], ["nope"]]),
    "stored_fields": st.sampled_from(["_none_", ["_none_"], [], ["title"], "*"]),
    "highlight": st.sampled_from([{"fields": {"body": {}}}, {"fields": {"*": {}}, "require_field_match": False}]),
    "collapse": st.sampled_from([{"field": "tag"}, {"field": "tag", "inner_hits": {"name": "n", "size": 2}}]),
    "aggs": st.sampled_from([{"t": {"terms": {"field": "tag"}}}, {"top": {"top_hits": {"size": 1}}}]),
    "post_filter": st.sampled_from([{"term": {"tag": "mill"}}, {"match_none": {}}]),
    "rescore": st.just(RESCORE),
    "min_score": st.sampled_from([0, 0.3, 5]),
    "track_total_hits": st.sampled_from([True, False, 3]),
    "track_scores": st.booleans(),
    "explain": st.booleans(),
    "version": st.booleans(),
    "profile": st.just(value=False),
    "terminate_after": st.sampled_from([0, 3]),
    "indices_boost": st.just([{INDEX: 2}]),
    "suggest": st.just({"s": {"text": "rivver", "term": {"field": "body"}}}),
    "seq_no_primary_term": st.booleans(),
    "search_after": st.just([1.0]),
    "ext": st.just({"rerank": {"query_context": {"query_text": "river"}}}),
    "nope": st.just(1),
}
BODIES = st.builds(
    lambda query, parts: {"query": query, **parts},
    QUERIES,
    st.lists(st.sampled_from(list(PARTS)), max_size=4, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: PARTS[name] for name in names})
    ),
)


@pytest.fixture(scope="module")
def both(engine: Engine, serve: Serve) -> tuple[str, Endpoint]:
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    return engine.url, serve(engine.url, *IDENTITY, *ALONE)


def normalized(body: bytes) -> Any:
    """Decode a response without `took`, and without the endpoint's node above an explanation."""
    answer = json.loads(took(body), parse_float=str)
    for hit in answer.get("hits", {}).get("hits", []):
        explained = hit.get("_explanation", {})
        if explained.get("description", "").startswith("es-rerank"):
            hit["_explanation"] = explained["details"][0]
    return answer


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(BODIES)
def test_a_body_that_the_engine_accepts_is_never_an_error(both: tuple[str, Endpoint], body: Any) -> None:
    direct, through = (ask(base, "POST", f"/{INDEX}/_search", body) for base in (both[0], both[1].url))
    if direct.status == 200:
        assert through.status == 200, (body, through.body)
        assert normalized(through.body) == normalized(direct.body), body
    elif "ext" not in body:
        assert (through.status, through.body) == (direct.status, direct.body), body
