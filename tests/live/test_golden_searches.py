"""The golden searches on real engines: the same request to the engine and through the endpoint, without a model.

The documents are those that the recorded responses contain. With the policy `keep` every byte but `took` is the
engine's; with the case's own settings, all but the scores and what follows from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine
from tests.golden import FIELD_TYPES, GoldenSearch, golden_searches

from .conftest import Serve
from .endpoint import IDENTITY
from .test_transparency import took
from .wire import Answer, ask, fill

SEARCHES = golden_searches()
MAPPINGS = {"properties": {name: {"type": kind} for name, kind in FIELD_TYPES.items()}}
# They hold scores, or follow from them.
SCORE_MEMBERS = {"_score", "max_score", "sort", "_explanation", "took"}


@cache
def documents() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Collect the documents of all recorded responses: index, id, source."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for case in SEARCHES:
        for hit in (hit for body in case.responses for hit in hits(json.loads(body)) if "_id" in hit):
            document = found.setdefault(hit["_index"], {}).setdefault(hit["_id"], {})
            document.update(hit.get("_source", {}))
    return found


def hits(value: Any) -> Iterator[Mapping[str, Any]]:
    """List the hits anywhere in a response."""
    if isinstance(value, dict) and "_index" in value and ("_score" in value or "_source" in value):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from hits(inner)


def unordered(value: Any) -> Any:
    """Take scores out of a response, and sort its hits."""
    if isinstance(value, list):
        return sorted(map(unordered, value), key=json.dumps) if next(hits(value), None) else [*map(unordered, value)]
    if not isinstance(value, dict):
        return value
    return {name: unordered(inner) for name, inner in value.items() if name not in SCORE_MEMBERS}


def flags(case: GoldenSearch, **settings: str) -> list[str]:
    """Write the settings of a case as flags of the command line."""
    values = {**case.settings, **settings}
    return [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def send(base: str, case: GoldenSearch) -> Answer:
    return ask(base, case.method, case.target, case.body or None, case.headers)


def states(header: str) -> list[str]:
    """List the outcome of each search that `X-Rerank` reports."""
    return re.findall(r"reranked|skipped|failed", header)


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Engine:
    for index, contents in documents().items():
        fill(engine.url, index, MAPPINGS, contents)
    return engine


@pytest.fixture
def direct(case: GoldenSearch, filled: Engine) -> Answer:
    """The engine's own response."""
    return send(filled.url, case)


def on_its_engines() -> list[Any]:
    """Pair each engine with the cases that it can run; those of one engine follow each other."""
    pairs = sorted((engine, case.name, case) for case in SEARCHES for engine in case.engines)
    return [pytest.param(case, engine, id=f"{name}-{engine}") for engine, name, case in pairs]


@pytest.mark.parametrize(("case", "engine"), on_its_engines(), indirect=["engine"])
def test_with_the_policy_keep_every_byte_but_took_is_the_engines(
    case: GoldenSearch, filled: Engine, direct: Answer, serve: Serve
) -> None:
    through = send(serve(filled.url, *IDENTITY, *flags(case, policy="keep")).url, case)
    assert through.status == direct.status
    if "filter_path" in case.target:  # the engines serialize each source again when they filter a response
        assert json.loads(took(through.body)) == json.loads(took(direct.body))
    elif "_rank_eval" in case.target:  # the scores of the rated hits are close to the engine's own
        assert unordered(through.json) == unordered(direct.json)
    else:
        assert took(through.body) == took(direct.body)


@pytest.mark.parametrize(("case", "engine"), on_its_engines(), indirect=["engine"])
def test_with_its_own_settings_a_search_has_the_same_status_totals_and_hits(
    case: GoldenSearch, filled: Engine, direct: Answer, serve: Serve
) -> None:
    through = send(serve(filled.url, *IDENTITY, *flags(case)).url, case)
    assert through.status == direct.status
    assert unordered(through.json) == unordered(direct.json)


@pytest.mark.parametrize(("case", "engine"), on_its_engines(), indirect=["engine"])
def test_a_search_is_reranked_or_left_alone_as_with_the_recorded_responses(
    case: GoldenSearch, filled: Engine, serve: Serve
) -> None:
    through = send(serve(filled.url, *IDENTITY, *flags(case)).url, case)
    # The model of this test works, and is in no case slow.
    recorded = states(case.expected["x_rerank"])
    assert states(through.outcome) == ["reranked" if state == "failed" else state for state in recorded]
