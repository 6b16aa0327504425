from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from multidict import CIMultiDict

from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.field_caps import FieldCapsCache
from es_rerank.model import IndexInfo, Search
from es_rerank.testing import CAPS, FakeResponse, FakeServer, ReceivedRequest, fake_settings, serve_fake

NOBODY: CIMultiDict[str] = CIMultiDict()
MOST = 1000
INFO = IndexInfo(("docs",), {"title": "text", "body": "text", "tag": "keyword"})


@asynccontextmanager
async def asking(said: Any = CAPS, clock: Any = lambda: 0.0) -> AsyncIterator[tuple[FieldCapsCache, FakeServer]]:
    row = said if isinstance(said, FakeResponse) else FakeResponse(json.dumps(said).encode())
    async with serve_fake(FakeServer({"": row})) as engine:
        upstream = EngineClient(fake_settings(engine))
        indices = FieldCapsCache(upstream, MOST, clock)
        yield indices, engine
        await indices.close()
        await upstream.close()


@pytest.mark.parametrize(
    ("target", "params", "asked"),
    [
        ("docs", {}, "/docs/_field_caps?fields=%2A"),
        ("", {"size": "3"}, "/_field_caps?fields=%2A"),
        ("a,b-*", {"ignore_unavailable": "true"}, "/a%2Cb-%2A/_field_caps?fields=%2A&ignore_unavailable=true"),
        ("<logs-{now/d}>", {}, "/%3Clogs-%7Bnow%2Fd%7D%3E/_field_caps?fields=%2A"),
        ("../_security", {}, "/..%2F_security/_field_caps?fields=%2A"),
    ],
)
async def test_an_expression_is_resolved_by_the_engine(target: str, params: dict[str, str], asked: str) -> None:
    async with asking() as (indices, engine):
        assert await indices.resolve(Search(target, params), NOBODY) == INFO
    assert engine.seen[0].target == asked


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"indices": "docs", "fields": {}}, IndexInfo(("docs",), {})),
        ({"fields": {}}, IndexInfo((), {})),
        ({"indices": None, "fields": {"a": None, "b": {}}}, IndexInfo((), {"b": ""})),
        (
            {"indices": ["a"], "fields": {"_id": {"_id": {}}, "x": {"keyword": {}, "text": {}}}},
            IndexInfo(("a",), {"x": "text"}),
        ),
        ({"indices": ["a"], "fields": {"x": {"unmapped": {}, "long": {}}}}, IndexInfo(("a",), {"x": "unmapped"})),
        ([], None),
        ({}, None),
        (FakeResponse(b"{"), None),
        (FakeResponse(b'{"error":{}}', status=404), None),
        (FakeResponse(json.dumps(CAPS).encode(), status=403), None),
        (FakeResponse([b'{"fields":'], cut_off=True), None),
        (FakeResponse(json.dumps(CAPS).encode().ljust(MOST)), INFO),
        (FakeResponse(json.dumps(CAPS).encode().ljust(MOST + 1)), None),
    ],
)
async def test_answers(said: Any, expected: IndexInfo | None) -> None:
    async with asking(said) as (indices, _):
        assert await indices.resolve(Search("docs"), NOBODY) == expected


async def test_an_engine_that_is_gone_says_nothing() -> None:
    upstream = EngineClient(fake_settings())
    assert await FieldCapsCache(upstream, MOST).resolve(Search("docs"), NOBODY) is None
    await upstream.close()


async def test_answers_are_kept_for_a_minute_and_for_their_caller() -> None:
    now = [0.0]
    async with asking(clock=lambda: now[0]) as (indices, engine):
        for who in ({}, {"Authorization": "a"}, {"Authorization": "b"}, {"authorization": "a"}, {"X-Opaque-Id": "9"}):
            assert await indices.resolve(Search("docs"), CIMultiDict(who)) == INFO
        assert [seen.headers.get("Authorization") for seen in engine.seen] == [None, "a", "b"]
        now[0] = 61.0
        await indices.resolve(Search("docs"), NOBODY)
        assert len(engine.seen) == 4


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("Authorization", 2),
        ("Cookie", 2),
        ("es-secondary-authorization", 2),
        ("es-security-runas-user", 2),
        ("opendistro_security_impersonate_as", 2),
        ("x-proxy-user", 2),
        ("X-Forwarded-For", 2),
        ("X-My-Token", 2),
        ("User-Agent", 1),
        ("traceparent", 1),
        ("X-Rerank-Query", 1),
    ],
)
async def test_whatever_may_say_who_asks_tells_callers_apart_and_is_said_to_the_engine(name: str, asked: int) -> None:
    async with asking() as (indices, engine):
        for value in ("one", "two", "one"):
            await indices.resolve(Search("docs"), CIMultiDict([("Authorization", "same"), (name.upper(), value)]))
    assert [seen.headers.getall(name)[-1] for seen in engine.seen] == ["one", "two"][:asked]


@pytest.mark.parametrize(("took", "kept"), [(0.0, 0.0), (0.1, 1.0), (8.0, 3.0)])
async def test_a_fault_is_kept_by_how_long_it_took_and_for_its_caller(took: float, kept: float) -> None:
    now = [0.0]

    def fails(_seen: ReceivedRequest) -> FakeResponse:
        now[0] += took
        return FakeResponse(b"", status=503)

    async with asking(clock=lambda: now[0]) as (indices, engine):
        good, engine.says[""] = engine.says[""], fails
        assert await indices.resolve(Search("docs"), NOBODY) is None
        engine.says[""] = good
        assert await indices.resolve(Search("docs"), CIMultiDict(Authorization="a")) == INFO
        if kept:
            now[0] = took + kept - 0.01
            assert await indices.resolve(Search("docs"), NOBODY) is None
        now[0] = took + kept + 0.01
        assert await indices.resolve(Search("docs"), NOBODY) == INFO


async def test_memory_is_bounded() -> None:
    async with asking() as (indices, _):
        for at in range(1002):
            await indices.resolve(Search("docs", {"expand_wildcards": str(at)}), NOBODY)
        assert len(indices._known) == 1000


async def test_what_is_asked_already_is_asked_once() -> None:
    async with asking() as (indices, engine):
        found = await asyncio.gather(*(indices.resolve(Search("docs"), NOBODY) for _ in range(5)))
    assert (found, len(engine.seen)) == ([INFO] * 5, 1)


async def test_a_search_that_goes_away_does_not_take_the_answer_from_others() -> None:
    async with asking(FakeResponse(json.dumps(CAPS).encode(), seconds=0.2)) as (indices, engine):
        first = asyncio.create_task(indices.resolve(Search("docs"), NOBODY))
        second = asyncio.create_task(indices.resolve(Search("docs"), NOBODY))
        await asyncio.sleep(0.05)
        first.cancel()
        assert await second == INFO
    assert len(engine.seen) == 1


async def test_who_can_wait_no_longer_leaves_the_answer_to_the_next() -> None:
    async with asking(FakeResponse(json.dumps(CAPS).encode(), seconds=0.3)) as (indices, engine):
        assert await indices.resolve(Search("docs"), NOBODY, 0.05) is None
        assert await indices.resolve(Search("docs"), NOBODY) == INFO
        assert await indices.resolve(Search("docs"), NOBODY, 0.0) == INFO
    assert len(engine.seen) == 1


async def test_what_has_been_asked_for_longer_than_a_search_can_wait_is_not_waited_for() -> None:
    now = [0.0]
    async with asking(FakeResponse(seconds=60), lambda: now[0]) as (indices, engine):
        assert await indices.resolve(Search("docs"), NOBODY, 0.05) is None
        now[0] = 3.0
        assert await indices.resolve(Search("docs"), NOBODY, 3.0) is None
        assert (len(indices._asked), len(engine.seen)) == (1, 1)


async def test_nothing_is_asked_for_a_search_that_cannot_wait() -> None:
    async with asking() as (indices, engine):
        assert await indices.resolve(Search("docs"), NOBODY, -0.1) is None
    assert engine.seen == []


async def test_what_is_asked_ends_with_the_endpoint() -> None:
    async with asking(FakeResponse(seconds=60)) as (indices, _):
        assert await indices.resolve(Search("docs"), NOBODY, 0.05) is None
        await indices.close()
        assert indices._asked == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"aggregations": {"names": {"buckets": [{"key": "docs"}, {"key": "more"}]}}}, INFO),
        ({"aggregations": {"names": {"buckets": []}}}, None),
        ({"aggregations": {}}, None),
        ([], None),
    ],
)
async def test_a_point_in_time_is_resolved_by_a_search(said: Any, expected: IndexInfo | None) -> None:
    engine = FakeServer(
        {"/_search": FakeResponse(json.dumps(said).encode()), "": FakeResponse(json.dumps(CAPS).encode())}
    )
    async with serve_fake(engine):
        upstream = EngineClient(fake_settings(engine))
        pit = Search("", body={"pit": {"id": "abc", "keep_alive": "1m"}})
        assert await FieldCapsCache(upstream, MOST).resolve(pit, CIMultiDict(Authorization="a")) == expected
        await upstream.close()
    assert engine.seen[0].json["pit"] == {"id": "abc"}
    assert engine.seen[0].headers["Authorization"] == "a"
    assert [seen.target for seen in engine.seen[1:]] == ["/docs%2Cmore/_field_caps?fields=%2A"] * bool(expected)
