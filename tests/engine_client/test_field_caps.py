from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from multidict import CIMultiDict

from es_rerank.engine_client import field_caps
from es_rerank.engine_client.client import EngineClient
from es_rerank.engine_client.field_caps import FieldCapsCache
from es_rerank.model import IndexInfo, Search, SearchBody
from es_rerank.testing import CAPS, FakeResponse, FakeServer, ReceivedRequest, fake_settings, serve_fake

ANONYMOUS: CIMultiDict[str] = CIMultiDict()
MAX_BYTES = 1000
INFO = IndexInfo(("docs",), {"title": "text", "body": "text", "tag": "keyword"})


@asynccontextmanager
async def cached(
    response: Any = CAPS, clock: Any = lambda: 0.0, more: Sequence[str] = ()
) -> AsyncIterator[tuple[FieldCapsCache, FakeServer]]:
    row = response if isinstance(response, FakeResponse) else FakeResponse(json.dumps(response).encode())
    async with serve_fake(FakeServer({"": row})) as engine:
        client = EngineClient(fake_settings(engine))
        caps = FieldCapsCache(client, MAX_BYTES, clock, more)
        try:
            yield caps, engine
        finally:
            await caps.close()
            await client.close()


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
async def test_an_index_expression_is_resolved_by_the_engine(target: str, params: dict[str, str], asked: str) -> None:
    async with cached() as (caps, engine):
        assert await caps.resolve(Search(target, params), ANONYMOUS) == INFO
    assert engine.seen[0].target == asked


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"indices": "docs", "fields": {}}, IndexInfo(("docs",), {})),
        ({"fields": {}}, IndexInfo((), {})),
        ({"indices": None, "fields": {"a": None, "b": {}}}, IndexInfo((), {"b": ""})),
        (
            {"indices": ["a"], "fields": {"_id": {"_id": {}}, "x": {"keyword": {}, "text": {}}}},
            IndexInfo(("a",), {"x": "text"}),
        ),
        (
            {"indices": ["a"], "fields": {"_fulltext": {"text": {}}, "_x": {"object": {}}}},
            IndexInfo(("a",), {"_fulltext": "text", "_x": "object"}),
        ),
        (
            {
                "indices": ["a"],
                "fields": {
                    "_tier": {"keyword": {"metadata_field": True}},
                    "_new": {"keyword": {"metadata_field": True}},
                    "_seq_no": {"_seq_no": {}},
                    "_doc_count": {"integer": {}},
                },
            },
            IndexInfo(("a",), {}),
        ),
        ({"indices": ["a"], "fields": {"x": {"unmapped": {}, "long": {}}}}, IndexInfo(("a",), {"x": "unmapped"})),
        ([], None),
        ({}, None),
        (FakeResponse(b"{"), None),
        (FakeResponse(b'{"error":{}}', status=404), None),
        (FakeResponse(json.dumps(CAPS).encode(), status=403), None),
        (FakeResponse([b'{"fields":'], cut_off=True), None),
        (FakeResponse(json.dumps(CAPS).encode().ljust(MAX_BYTES)), INFO),
        (FakeResponse(json.dumps(CAPS).encode().ljust(MAX_BYTES + 1)), None),
    ],
)
async def test_responses_are_read_or_count_as_failures(response: Any, expected: IndexInfo | None) -> None:
    async with cached(response) as (caps, _):
        assert await caps.resolve(Search("docs"), ANONYMOUS) == expected


async def test_an_unreachable_engine_resolves_nothing() -> None:
    client = EngineClient(fake_settings())
    assert await FieldCapsCache(client, MAX_BYTES).resolve(Search("docs"), ANONYMOUS) is None
    await client.close()


async def test_results_are_cached_for_a_minute_and_per_caller() -> None:
    now = [0.0]
    async with cached(clock=lambda: now[0]) as (caps, engine):
        for who in ({}, {"Authorization": "a"}, {"Authorization": "b"}, {"authorization": "a"}, {"X-Opaque-Id": "9"}):
            assert await caps.resolve(Search("docs"), CIMultiDict(who)) == INFO
        assert [seen.headers.get("Authorization") for seen in engine.seen] == [None, "a", "b"]
        now[0] = 59.9
        assert await caps.resolve(Search("docs"), ANONYMOUS) == INFO
        assert len(engine.seen) == 3
        now[0] = 60.0
        await caps.resolve(Search("docs"), ANONYMOUS)
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
        ("X-Forwarded-User", 2),
        ("X-Forwarded-Client-Cert", 2),
        ("X-Amzn-Oidc-Data", 2),
        ("X-Forwarded-For", 1),
        ("X-Amzn-Trace-Id", 1),
        ("X-B3-TraceId", 1),
        ("X-Datadog-Parent-Id", 1),
        ("CF-Ray", 1),
        ("Sentry-Trace", 1),
        ("X-Own-Trace", 1),
        ("X-Own-Ids-Of-Callers", 1),
        ("X-My-Token", 2),
        ("User-Agent", 1),
        ("traceparent", 1),
        ("X-Rerank-Query", 1),
    ],
)
async def test_headers_that_may_identify_the_caller_are_part_of_the_key_and_sent(name: str, asked: int) -> None:
    async with cached(more=("X-Own-Trace", "x-own-ids-*")) as (caps, engine):
        for value in ("one", "two", "one"):
            await caps.resolve(Search("docs"), CIMultiDict([("Authorization", "same"), (name.upper(), value)]))
    assert [seen.headers.getall(name)[-1] for seen in engine.seen if "_field_caps" in seen.target] == ["one", "two"][
        :asked
    ]


@pytest.mark.parametrize(("took", "kept"), [(0.0, 0.0), (0.1, 1.0), (8.0, 3.0)])
async def test_a_failure_is_cached_by_how_long_it_took_and_per_caller(took: float, kept: float) -> None:
    now = [0.0]

    def fails(_seen: ReceivedRequest) -> FakeResponse:
        now[0] += took
        return FakeResponse(b"", status=503)

    async with cached(clock=lambda: now[0]) as (caps, engine):
        good, engine.says[""] = engine.says[""], fails
        assert await caps.resolve(Search("docs"), ANONYMOUS) is None
        engine.says[""] = good
        assert await caps.resolve(Search("docs"), CIMultiDict(Authorization="a")) == INFO
        if kept:
            now[0] = took + kept - 0.01
            assert await caps.resolve(Search("docs"), ANONYMOUS) is None
        now[0] = took + kept + 0.01
        assert await caps.resolve(Search("docs"), ANONYMOUS) == INFO


async def test_callers_with_equal_mappings_share_one() -> None:
    async with cached() as (caps, engine):
        found = [await caps.resolve(Search("docs"), CIMultiDict(Authorization=who)) for who in "abc"]
    assert len(engine.seen) == 3
    assert found[0] is found[1] is found[2]


async def test_an_index_without_text_fields_is_soon_asked_for_again() -> None:
    now = [0.0]
    async with cached({"indices": ["docs"], "fields": {}}, lambda: now[0]) as (caps, engine):
        assert await caps.resolve(Search("docs"), ANONYMOUS) == IndexInfo(("docs",), {})
        engine.says[""] = FakeResponse(json.dumps(CAPS).encode())
        now[0] = 0.9
        assert await caps.resolve(Search("docs"), ANONYMOUS) == IndexInfo(("docs",), {})
        now[0] = 1.0
        assert await caps.resolve(Search("docs"), ANONYMOUS) == INFO


async def test_a_result_that_is_out_of_date_is_asked_for_again() -> None:
    now = [0.0]
    async with cached(clock=lambda: now[0]) as (caps, engine):
        info = await caps.resolve(Search("docs"), ANONYMOUS)
        assert info
        now[0] = 0.9
        assert not caps.forget(info)
        await caps.resolve(Search("docs"), ANONYMOUS)
        assert len(engine.seen) == 1
        now[0] = 1.1
        assert not caps.forget(IndexInfo(info.names, dict(info.field_types)))
        assert caps.forget(info)
        assert not caps.forget(info)
        await caps.resolve(Search("docs"), ANONYMOUS)
    assert len(engine.seen) == 2


async def test_whether_hits_have_a_source_is_learnt() -> None:
    async with cached() as (caps, _):
        info = await caps.resolve(Search("docs"), ANONYMOUS)
        assert info
        caps.learn_source(info, has_source=False)
        learnt = await caps.resolve(Search("docs"), ANONYMOUS)
    assert learnt == IndexInfo(info.names, info.field_types, has_source=False)


async def test_concurrent_searches_share_one_request() -> None:
    async with cached() as (caps, engine):
        found = await asyncio.gather(*(caps.resolve(Search("docs"), ANONYMOUS) for _ in range(5)))
    assert (found, len(engine.seen)) == ([INFO] * 5, 1)


async def test_a_cancelled_search_does_not_cancel_the_shared_request() -> None:
    async with cached(FakeResponse(json.dumps(CAPS).encode(), seconds=0.2)) as (caps, engine):
        first = asyncio.create_task(caps.resolve(Search("docs"), ANONYMOUS))
        second = asyncio.create_task(caps.resolve(Search("docs"), ANONYMOUS))
        await asyncio.sleep(0.05)
        first.cancel()
        assert await second == INFO
    assert len(engine.seen) == 1


async def test_a_request_continues_for_the_next_search_after_a_timeout() -> None:
    async with cached(FakeResponse(json.dumps(CAPS).encode(), seconds=0.3)) as (caps, engine):
        assert await caps.resolve(Search("docs"), ANONYMOUS, 0.05) is None
        assert await caps.resolve(Search("docs"), ANONYMOUS) == INFO
        assert await caps.resolve(Search("docs"), ANONYMOUS, 0.0) == INFO
    assert len(engine.seen) == 1


async def test_a_request_in_flight_for_longer_than_the_timeout_is_not_waited_for() -> None:
    now = [0.0]
    async with cached(FakeResponse(seconds=60), lambda: now[0]) as (caps, engine):
        assert await caps.resolve(Search("docs"), ANONYMOUS, 0.05) is None
        now[0] = 3.0
        assert await caps.resolve(Search("docs"), ANONYMOUS, 3.0) is None
        assert (len(caps._in_flight), len(engine.seen)) == (1, 1)


async def test_nothing_is_requested_for_a_search_without_time() -> None:
    async with cached() as (caps, engine):
        assert await caps.resolve(Search("docs"), ANONYMOUS, -0.1) is None
    assert engine.seen == []


async def test_requests_in_flight_are_cancelled_on_close() -> None:
    async with cached(FakeResponse(seconds=60)) as (caps, _):
        assert await caps.resolve(Search("docs"), ANONYMOUS, 0.05) is None
        await caps.close()
        assert caps._in_flight == {}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"aggregations": {"names": {"buckets": [{"key": "docs"}, {"key": "more"}]}}}, INFO),
        ({"aggregations": {"names": {"buckets": []}}}, None),
        ({"aggregations": {}}, None),
        ([], None),
    ],
)
async def test_a_point_in_time_is_resolved_by_a_search(response: Any, expected: IndexInfo | None) -> None:
    engine = FakeServer(
        {"/_search": FakeResponse(json.dumps(response).encode()), "": FakeResponse(json.dumps(CAPS).encode())}
    )
    async with serve_fake(engine):
        client = EngineClient(fake_settings(engine))
        pit = Search("", body=SearchBody(values={"pit": {"id": "abc", "keep_alive": "1m"}}))
        assert await FieldCapsCache(client, MAX_BYTES).resolve(pit, CIMultiDict(Authorization="a")) == expected
        await client.close()
    terms = {"terms": {"field": "_index", "size": 100}}
    assert engine.seen[0].json == {"pit": {"id": "abc"}, "size": 0, "aggs": {"names": terms}}
    assert engine.seen[0].headers["Content-Type"] == "application/json"
    assert engine.seen[0].headers["Authorization"] == "a"
    assert [seen.target for seen in engine.seen[1:]] == ["/docs%2Cmore/_field_caps?fields=%2A"] * bool(expected)


@pytest.mark.parametrize("pit", ["abc", {"id": 3}, {}, None])
async def test_a_malformed_point_in_time_is_left_to_the_engine(pit: object) -> None:
    async with cached() as (caps, engine):
        assert await caps.resolve(Search("docs", body=SearchBody(values={"pit": pit})), ANONYMOUS) == INFO
    assert engine.seen[0].target == "/docs/_field_caps?fields=%2A"


async def test_a_response_that_does_not_come_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_caps, "_TIMEOUT_SECONDS", 0.05)
    async with asyncio.timeout(5), cached(FakeResponse(seconds=60)) as (caps, _):
        assert await caps.resolve(Search("docs"), ANONYMOUS, 60.0) is None
        assert caps._in_flight == {}


async def test_repr_shows_how_many_entries_and_requests_there_are() -> None:
    async with cached(FakeResponse(json.dumps(CAPS).encode(), seconds=0.05)) as (caps, _):
        secret = CIMultiDict(Authorization="s3cret")
        resolving = asyncio.create_task(caps.resolve(Search("docs"), secret))
        await asyncio.sleep(0)
        assert repr(caps) == "FieldCapsCache(entries=0, in_flight=1)"
        await resolving
        assert repr(caps) == "FieldCapsCache(entries=1, in_flight=0)"
