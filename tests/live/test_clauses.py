"""Each clause on each engine, directly and through an endpoint without a model: the same response or the same error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine

from .books import DOCUMENTS, INDEX, MAPPINGS
from .clauses import SAMPLES
from .conftest import Serve
from .endpoint import IDENTITY
from .test_carriers import ALONE, same
from .wire import ask, fill

FAMILY = "family"
FAMILY_MAPPINGS: Mapping[str, Any] = {
    "properties": {"body": {"type": "text"}, "kin": {"type": "join", "relations": {"book": "review"}}}
}
# Clauses that give all hits the same score: these searches are not sorted by relevance.
EVEN = {"constant_score"}


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Engine:
    """An engine with the books, and with their reviews if it supports join fields."""
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    ask(engine.url, "DELETE", f"/{FAMILY}")
    made = ask(engine.url, "PUT", f"/{FAMILY}", {"mappings": FAMILY_MAPPINGS})
    if made.status == 200:
        for key in ("a", "b", "c"):
            book = {"body": f"the river {key} river", "kin": "book"}
            review = {"body": "a fine river and its mill", "kin": {"name": "review", "parent": key}}
            ask(engine.url, "PUT", f"/{FAMILY}/_doc/{key}?refresh=true", book)
            ask(engine.url, "PUT", f"/{FAMILY}/_doc/{key}1?routing={key}&refresh=true", review)
    return engine


@pytest.mark.parametrize("clause", SAMPLES)
def test_every_clause(clause: str, filled: Engine, serve: Serve, request: pytest.FixtureRequest) -> None:
    both = filled.url, serve(filled.url, *IDENTITY, *ALONE)
    index = FAMILY if clause.startswith("has_") else INDEX
    through = same(both, f"/{index}/_search", {"query": {clause: SAMPLES[clause].query}, "size": 4})
    name = "opensearch" if "opensearch" in request.node.callspec.id else "elasticsearch"
    assert (name in SAMPLES[clause].runs_on) is (through.status == 200), through.body
    if through.status == 200:
        assert through.outcome.startswith("skipped; why=no_query_text" if clause in EVEN else "reranked")
