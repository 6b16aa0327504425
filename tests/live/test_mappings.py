"""Indices as they are in the field: which of their texts reach the model, on real engines."""

from __future__ import annotations

import time
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

pytestmark = pytest.mark.usefixtures("no_index_left")


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


STREAM_TEMPLATE = {"index_patterns": ["stream-*"], "data_stream": {}, "template": {"settings": {"number_of_shards": 1}}}


def test_the_documents_of_a_data_stream_are_reranked(engine: Engine, endpoint: Endpoint) -> None:
    ask(engine.url, "DELETE", "/_data_stream/stream-of-notes")
    assert ask(engine.url, "PUT", "/_index_template/streams", STREAM_TEMPLATE).status == 200
    for text in ("a hose for the garden", "a reel for the hose"):
        note = {"@timestamp": "2024-05-01T10:00:00Z", "message": text}
        assert ask(engine.url, "POST", "/stream-of-notes/_doc?refresh=true", note).status == 201
    for target in ("stream-of-notes", "stream-*"):
        assert endpoint.search(target, {"query": {"match": {"message": "hose"}}}).outcome.startswith("reranked")


KEYWORD_WITH_TEXT = {
    "properties": {"name": {"type": "keyword", "fields": {"analyzed": {"type": "text"}}}, "_fulltext": {"type": "text"}}
}


def test_a_keyword_with_a_text_multi_field_and_a_text_with_an_underscore_are_read(
    engine: Engine, endpoint: Endpoint, recorder: Recorder
) -> None:
    documents = {str(row): {"name": f"hose {row}", "_fulltext": f"all about hose {row}"} for row in range(3)}
    fill(engine.url, "keyword-names", KEYWORD_WITH_TEXT, documents)
    for more in ({}, {"_source": False}):
        body = {"query": {"match": {"name.analyzed": "hose"}}, **more}
        assert endpoint.search("keyword-names", body).outcome.startswith("reranked")
        assert sorted(recorder.taken()) == [f"hose {row}\nall about hose {row}" for row in range(3)]


COPIED = {
    "properties": {
        "title": {"type": "text", "copy_to": "everything"},
        "body": {"type": "text", "copy_to": "everything"},
        "everything": {"type": "text"},
        "headline": {"type": "alias", "path": "title"},
    }
}


def test_alias_fields_and_targets_of_copy_to_are_not_read_twice(
    engine: Engine, endpoint: Endpoint, recorder: Recorder
) -> None:
    titles = {name: {"title": f"Garden hose {name}", "body": f"A long text on watering, {name}."} for name in "abc"}
    fill(engine.url, "copied", COPIED, titles)
    for more in FORMS.values():
        body = {"query": {"match": {"everything": "hose"}}, **more}
        assert endpoint.search("copied", body).outcome.startswith("reranked")
        assert sorted(recorder.taken()) == [f"{one['title']}\n{one['body']}" for one in titles.values()]


def test_an_index_that_was_searched_while_it_was_empty_is_reranked_once_it_has_documents(
    engine: Engine, endpoint: Endpoint
) -> None:
    body = {"query": {"match": {"note": "hose"}}}
    ask(engine.url, "DELETE", "/late")
    assert ask(engine.url, "PUT", "/late").status == 200
    assert endpoint.search("late", body).outcome == "skipped; why=no_text_fields"
    fill(engine.url, "late", {}, {name: {"note": f"a hose of {name}"} for name in "ab"})
    until_reranked(endpoint, "late", body)


def until_reranked(endpoint: Endpoint, index: str, body: Any, limit_s: float = 20.0) -> None:
    """Repeat a search until it is reranked."""
    deadline = time.monotonic() + limit_s
    while not (outcome := endpoint.search(index, body).outcome).startswith("reranked"):
        assert time.monotonic() < deadline, outcome
        time.sleep(0.1)


def test_an_alias_that_moved_is_reranked_again(engine: Engine, endpoint: Endpoint, recorder: Recorder) -> None:
    for index, name in (("moved-old", "note"), ("moved-new", "remark")):
        fill(engine.url, index, {}, {one: {name: f"a hose of {one}"} for one in "ab"})
    ask(engine.url, "POST", "/_aliases", {"actions": [{"add": {"index": "moved-old", "alias": "moved"}}]})
    body = {"query": {"query_string": {"query": "hose"}}}
    until_reranked(endpoint, "moved", body)
    actions = [{"remove": {"index": "moved-old", "alias": "moved"}}, {"add": {"index": "moved-new", "alias": "moved"}}]
    ask(engine.url, "POST", "/_aliases", {"actions": actions})
    recorder.taken()
    until_reranked(endpoint, "moved", body, limit_s=40.0)
    assert sorted(recorder.taken()) == ["a hose of a", "a hose of b"]


STORED = {
    "_source": {"enabled": False},
    "properties": {"title": {"type": "text", "store": True}, "body": {"type": "text", "store": True}},
}


def test_stored_fields_are_read_where_the_source_is_disabled(
    engine: Engine, endpoint: Endpoint, recorder: Recorder
) -> None:
    documents = {name: {"title": f"hose {name}", "body": f"all about the hose {name}"} for name in "ab"}
    fill(engine.url, "stored-texts", STORED, documents)
    body = {"query": {"match": {"title": "hose"}}, "stored_fields": ["title"]}
    until_reranked(endpoint, "stored-texts", {"query": body["query"]})
    recorder.taken()
    answer = endpoint.search("stored-texts", body)
    assert answer.outcome.startswith("reranked")
    assert sorted(recorder.taken()) == [f"hose {name}\nall about the hose {name}" for name in "ab"]
    direct = ask(engine.url, "POST", "/stored-texts/_search", body)
    assert [hit["fields"] for hit in answer.hits] == [hit["fields"] for hit in direct.hits]
