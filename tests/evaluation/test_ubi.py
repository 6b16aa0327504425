from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from es_rerank.evaluation.click_model import Impression
from es_rerank.evaluation.source import InputError
from es_rerank.evaluation.ubi import Record, impressions, read_events, read_records


def query(key: str = "1", text: Any = "hose", hits: Any = ("a", "b"), **more: Any) -> dict[str, Any]:
    return {"query_id": key, "user_query": text, "query_response_hit_ids": list(hits), **more}


def event(document: Any = "a", key: str = "1", action: str = "click", position: Any = None) -> dict[str, Any]:
    attributes: dict[str, Any] = {"object": {"object_id": document}}
    if position is not None:
        attributes["position"] = {"ordinal": position}
    return {"action_name": action, "query_id": key, "timestamp": "2026-01-01T00:00:00Z", "event_attributes": attributes}


def records(values: list[dict[str, Any]], name: str) -> list[Record]:
    return [Record(f"{name}:{line}", one) for line, one in enumerate(values, 1)]


def reading(queries: list[dict[str, Any]], events: list[dict[str, Any]], *clicks: str) -> list[Impression]:
    behavior = read_events(records(events, "events"), clicks or ("click",))
    return list(impressions(records(queries, "queries"), behavior))


def test_hits_are_impressions_and_clicks_are_events_with_the_same_query_id() -> None:
    assert reading([query(), query("2")], [event("b"), event("b"), event("a", key="2")]) == [
        Impression("hose", "a", 1, clicked=False),
        Impression("hose", "b", 2, clicked=True),
        Impression("hose", "a", 1, clicked=True),
        Impression("hose", "b", 2, clicked=False),
    ]


def test_impression_events_tell_what_was_seen() -> None:
    events = [event("b", action="impression", position=2), event("a", action="impression", position=7), event("a")]
    assert reading([query(hits="abc")], events) == [
        Impression("hose", "b", 2, clicked=False),
        Impression("hose", "a", 7, clicked=True),
    ]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(query(text={"text": "hose "}), id="the query text in an object"),
        pytest.param(
            {"query_id": 1, "user_query": "hose", "query_response_object_ids": ["a", "b"]}, id="OpenSearch's plugin"
        ),
        pytest.param(query(hits=("a", "b", "a")), id="a hit twice"),
        pytest.param(query(query_attributes={"from": "0"}), id="the first page"),
    ],
)
def test_variants_of_a_search(written: dict[str, Any]) -> None:
    assert [one[:3] for one in reading([written], [])] == [("hose", "a", 1), ("hose", "b", 2)]


def test_a_later_page_starts_at_its_position() -> None:
    assert [one.position for one in reading([query(query_attributes={"from": 20})], [])] == [21, 22]


def test_other_actions_can_count_as_clicks() -> None:
    events = [event("a", action="click"), event("b", action="add_to_cart")]
    assert [one.clicked for one in reading([query()], events, "add_to_cart", "purchase")] == [False, True]


def test_records_that_cannot_be_used_are_counted() -> None:
    events = [event("x"), event("a", key="9"), event(None), {"action_name": "click"}, event(3, action="scroll")]
    behavior = read_events(records(events, "events"))
    queries = [query(), query(), query("", "tap"), query("3", " "), query("4", hits=())]
    assert len(list(impressions(records(queries, "queries"), behavior))) == 2
    assert (behavior.ignored.clicks, behavior.ignored.repeated, behavior.ignored.unnamed) == (4, 1, 2)


@pytest.mark.parametrize(
    ("queries", "events", "message"),
    [
        ([query()], [event({"id": 1})], "events:1: event_attributes.object.object_id: must be a string"),
        (
            [query()],
            [{"action_name": "click", "event_attributes": []}],
            "events:1: event_attributes: must be an object",
        ),
        (
            [query()],
            [event(action="impression")],
            "events:1: event_attributes.position.ordinal: None is not a position",
        ),
        ([query()], [event(action="impression", position=0)], "ordinal: 0 is not a position"),
        ([query(), query("2", 3.5)], [], "queries:2: user_query: must be a string"),
        ([{**query(), "query_response_hit_ids": "a"}], [], "queries:1: query_response_hit_ids: must be a list of ids"),
        ([query(query_attributes={"from": "x"})], [], "query_attributes.from: 'x' is not a number of hits"),
    ],
)
def test_errors_name_the_place_and_the_field(queries: Any, events: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        reading(queries, events)
    assert message in str(error.value)


def test_records_of_a_file_may_be_exported_hits(tmp_path: Path) -> None:
    lines = [query(), {"_index": "ubi_queries", "_id": "1", "_source": query("2")}]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = list(read_records(tmp_path / "q.jsonl"))
    assert [one.values["query_id"] for one in found] == ["1", "2"]
    assert found[1].place == f"{tmp_path / 'q.jsonl'}:2"
