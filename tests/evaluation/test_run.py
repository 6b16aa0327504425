from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from es_rerank.evaluation.client import SearchError, search_target
from es_rerank.evaluation.journal import Journal
from es_rerank.evaluation.judgments import Judgments
from es_rerank.evaluation.run import Task, compare, judged
from es_rerank.evaluation.template import Template, read_template
from es_rerank.evaluation.values import Query, Side
from es_rerank.testing import FakeResponse, FakeServer, ReceivedRequest, search_response, serve_fake

QUERIES = [Query("1", "tea"), Query("2", "coffee"), Query("3", "unjudged")]
JUDGMENTS = Judgments({"1": {"a": 1.0}, "coffee": {"b": 2.0}})


def task(server: FakeServer) -> Task:
    off = {"X-Rerank-Mode": "off", "Authorization": "ApiKey s3cret"}
    targets = {
        Side.BASELINE: search_target(server.url, "docs", off),
        Side.ENDPOINT: search_target(server.url, "docs", {}),
    }
    return Task(targets, read_template(None), 20)


def respond(received: ReceivedRequest) -> FakeResponse:
    """The baseline finds a, b; the endpoint b, a."""
    off = "X-Rerank-Mode" in received.headers
    hits = [("a", 2.0, "x"), ("b", 1.0, "y")]
    return FakeResponse(search_response(*(hits if off else reversed(hits))))


def test_only_judged_queries_are_searched() -> None:
    assert judged(QUERIES, JUDGMENTS) == QUERIES[:2]


async def test_every_query_is_searched_on_both_sides_in_turns() -> None:
    progress: list[tuple[int, int]] = []
    async with serve_fake(FakeServer({"": respond})) as server:
        chosen = task(server)
        journal = Journal(chosen.conditions())
        found = await compare(chosen, QUERIES[:2], JUDGMENTS, journal, lambda *at: progress.append(at))
    assert [(one.query.id, one.baseline.ids, one.endpoint.ids) for one in found] == [
        ("1", ("a", "b"), ("b", "a")),
        ("2", ("a", "b"), ("b", "a")),
    ]
    assert [one.ratings for one in found] == [{"a": 1.0}, {"b": 2.0}]
    assert ["X-Rerank-Mode" in received.headers for received in server.seen] == [True, False, False, True]
    assert {received.json["size"] for received in server.seen} == {20}
    assert progress == [(1, 2), (2, 2)]


async def test_an_interrupted_evaluation_continues(tmp_path: Path) -> None:
    """The third search fails; the next evaluation repeats only the searches for the second query."""
    left = [respond, respond, lambda _: FakeResponse(b"down", 503)]

    def next_response(received: ReceivedRequest) -> FakeResponse:
        return left.pop(0)(received)

    async with serve_fake(FakeServer({"": next_response})) as server:
        chosen = task(server)
        with pytest.raises(SearchError, match="status 503: down"):
            await compare(chosen, QUERIES[:2], JUDGMENTS, Journal(chosen.conditions(), tmp_path / "f"), lambda *_: None)
        left += [respond, respond]
        found = await compare(
            chosen, QUERIES[:2], JUDGMENTS, Journal(chosen.conditions(), tmp_path / "f"), lambda *_: None
        )
    assert [one.query.id for one in found] == ["1", "2"]
    assert [received.json["query"]["multi_match"]["query"] for received in server.seen] == ["tea"] * 2 + ["coffee"] * 3
    assert "s3cret" not in (tmp_path / "f").read_text()


async def test_the_endpoint_is_searched_with_each_window(tmp_path: Path) -> None:
    async with serve_fake(FakeServer({"": respond})) as server:
        chosen = replace(task(server), windows=(5, 10))
        found = []
        for _ in range(2):
            journal = Journal(chosen.conditions(), tmp_path / "f")
            found.append(await compare(chosen, QUERIES[:1], JUDGMENTS, journal, lambda *_: None))
    assert found[0] == found[1]
    assert {window: record.ids for window, record in found[0][0].windows.items()} == {5: ("b", "a"), 10: ("b", "a")}
    assert [received.headers.get("X-Rerank-Window") for received in server.seen] == [None, None, "5", "10"]
    assert all("X-Rerank-Mode" not in received.headers for received in server.seen[2:])
    assert chosen.conditions()["windows"] == [5, 10]


def test_the_conditions_are_what_the_results_depend_on() -> None:
    targets = {side: search_target(f"http://{side}", "docs", {}) for side in Side}
    conditions = Task(targets, Template({"query": "{{query}}"}), 7).conditions()
    assert conditions == {
        "baseline": "http://baseline",
        "endpoint": "http://endpoint",
        "index": "docs",
        "template": {"query": "{{query}}"},
        "size": 7,
    }
