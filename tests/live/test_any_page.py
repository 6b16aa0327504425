"""Any page of any search over routings, pipelines and clauses that depend on `size` is the engine's page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from es_rerank_lab.parts.engines import Engine

from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .test_carriers import took
from .test_pipelines import PIPELINES
from .test_same_hits import BY_SIZE, HOSE, KEEP, ROUTINGS, WINDOW, load, outcome
from .wire import NDJSON, ask

pytestmark = pytest.mark.usefixtures("no_index_left")

EXAMPLES = 100
ROWS = 90
INDEX = "any"
# They differ in their shards, routings and default pipeline.
INDICES = ("plain", "routed", "limited")
SCORED = {"function_score": {"query": HOSE, "field_value_factor": {"field": "n", "missing": 1}}}
QUERIES: list[dict[str, Any]] = [
    {"query": HOSE},
    {"query": {"bool": {"must": [HOSE], "filter": [{"range": {"n": {"gte": 2}}}]}}},
    {"query": SCORED},
    {"query": {"match": {"title": "zeppelin"}}},
]
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "_source": st.sampled_from([False, [], ["n"], "*", {"excludes": ["title"]}, {"excludes": []}]),
    "aggs": st.just({"by_n": {"terms": {"field": "n"}}}),
    "collapse": st.just({"field": "n"}),
    "explain": st.just(value=True),
    "highlight": st.just({"fields": {"title": {}}}),
    "min_score": st.sampled_from([0.05, 100]),
    "post_filter": st.just({"range": {"n": {"lt": 5}}}),
    "sort": st.sampled_from([["_score", {"n": "asc"}], {"_score": "DESC"}]),
    "stored_fields": st.sampled_from([[], ["title"], "_none_"]),
    "terminate_after": st.sampled_from([5, 40]),
    "track_total_hits": st.sampled_from([True, False, 3, 40]),
}


def searches(queries: list[dict[str, Any]], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a page of one of the queries with up to three other parts, of which *more* are always among the choices."""
    parts = PARTS | more
    page = st.fixed_dictionaries(
        {"from": st.sampled_from([0, 0, 3, 12, 25, 200]), "size": st.sampled_from([1, 3, 10, 12, 40])}
    )
    chosen = st.lists(st.sampled_from(list(parts)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: parts[name] for name in names})
    )
    return st.builds(lambda query, where, rest: {**rest, **query, **where}, st.sampled_from(queries), page, chosen)


@pytest.fixture(scope="module")
def both(engine: Engine, serve: Serve) -> tuple[str, Endpoint]:
    vector = {"type": "dense_vector", "dims": 2} if engine.name == "elasticsearch" else {"type": "float"}
    lines: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"_id": str(n)}, {"title": ("hose " if n % 4 else "pipe ") + "long " * (n % 13), "n": n % 7, "v": [n % 7, 1]})
        for n in range(ROWS)
    ]
    routed = [
        ({"_id": str(int(meta["_id"]) % 20), "routing": ROUTINGS[int(meta["_id"]) % 4]}, document)
        for meta, document in lines
    ]
    load(engine.url, f"{INDEX}-plain", {"number_of_shards": 2}, lines, v=vector)
    load(engine.url, f"{INDEX}-routed", {"number_of_shards": 4}, routed, v=vector)
    load(engine.url, f"{INDEX}-limited", {"index.max_result_window": 25}, lines, v=vector)
    for name, definition in PIPELINES.items() if engine.name == "opensearch" else ():
        assert ask(engine.url, "PUT", f"/_search/pipeline/{name}", definition).status == 200
        load(engine.url, f"{INDEX}-{name}", {"index.search.default_pipeline": name}, lines, v=vector)
    return engine.url, serve(engine.url, *IDENTITY, *WINDOW, *KEEP)


def check(both: tuple[str, Endpoint], index: str, body: dict[str, Any]) -> None:
    """Compare a search and an `_msearch` of it with the engine's own response."""
    target = f"/{INDEX}-{index}/_search"
    direct, through = (ask(base, "POST", target, body) for base in (both[0], both[1].url))
    assert outcome(through) == outcome(direct), (index, body, through.outcome)
    pairs = [{"index": f"{INDEX}-{index}"}, body, {"index": f"{INDEX}-plain"}, {"query": HOSE}]
    lines = "".join(f"{json.dumps(line)}\n" for line in pairs).encode()
    many = [ask(base, "POST", "/_msearch", lines, NDJSON) for base in (both[0], both[1].url)]
    if "explain" not in body:
        assert took(many[1].body) == took(many[0].body), (index, body, many[1].outcome)


CALM = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@CALM
@given(st.sampled_from(INDICES), searches(QUERIES))
def test_a_page_of_an_index_with_routings_or_a_limit(
    both: tuple[str, Endpoint], index: str, body: dict[str, Any]
) -> None:
    check(both, index, body)


@CALM
@given(st.sampled_from(INDICES), searches(list(BY_SIZE.values())))
def test_a_page_of_a_search_whose_result_depends_on_size(
    both: tuple[str, Endpoint], index: str, body: dict[str, Any]
) -> None:
    check(both, index, body)


@CALM
@given(
    st.sampled_from([*INDICES, *PIPELINES]),
    searches(QUERIES, search_pipeline=st.sampled_from([*PIPELINES, *PIPELINES.values(), "_none"])),
)
def test_a_page_of_a_search_with_a_pipeline(both: tuple[str, Endpoint], index: str, body: dict[str, Any]) -> None:
    check(both, index, body)
