"""Indices as they are in the field: which of their texts reach the model, on real engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from es_rerank.search.passages import planned_passages
from es_rerank_lab.parts.engines import Engine
from tests.search.mappings import CASES, MappingCase, planned

from .conftest import Serve
from .endpoint import Endpoint
from .recorder import Recorder, recording
from .wire import ask, fill


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


@pytest.fixture
def endpoint(engine: Engine, serve: Serve, recorder: Recorder) -> Endpoint:
    found = serve(engine.url, *recorder.flags)
    found.await_health("ok")
    recorder.taken()
    return found


def ids(case: MappingCase) -> dict[str, Any]:
    return {f"d{row}": document for row, document in enumerate(case.documents)}


FORMS: dict[str, dict[str, Any]] = {
    "the whole source": {},
    "in two phases": {"_source": False},
    "with extra fields": {"_source": False, "profile": True},
    "stored fields": {"_source": False, "stored_fields": ["*"]},
}


@pytest.mark.parametrize("dynamic", [True, False], ids=["dynamic", "explicit"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_text_that_answers_comes_first_in_every_form_of_a_request(
    case: MappingCase, dynamic: bool, engine: Engine, endpoint: Endpoint, recorder: Recorder
) -> None:
    index = f"texts-{case.name}-{'dynamic' if dynamic else 'explicit'}"
    documents = ids(case)
    fill(engine.url, index, {} if dynamic else {"properties": case.properties}, documents)
    query = {"query_string": {"query": case.query}}
    read = {}
    for form, more in FORMS.items():
        answer = endpoint.search(index, {"query": query, "size": 20, **more})
        assert answer.outcome.startswith("reranked"), (form, answer.outcome)
        read[form] = sorted(recorder.taken())
    starts = {name: case.start_of(document) for name, document in documents.items()}
    direct = ask(engine.url, "POST", f"/{index}/_search", {"query": query, "size": 20})
    assert len(read["the whole source"]) == len(direct.ids) > 1
    for name in direct.ids:
        assert any(text.startswith(starts[name]) for text in read["the whole source"]), starts[name]
    # The same as without an engine, and so the same on both engines.
    found = [documents[name] for name in direct.ids]
    expected, _ = planned_passages([(one, {}) for one in found], planned(case, case.types(dynamic=dynamic)))
    assert read["the whole source"] == sorted(text for text in expected if text)
    assert all(texts == read["the whole source"] for texts in read.values()), read
