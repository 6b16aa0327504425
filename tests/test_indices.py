from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from es_rerank.indices import Indices
from es_rerank.model import IndexInfo, Search
from es_rerank.upstream import Upstream
from tests.fakes import CAPS, Fake, Said, serving, settings

INFO = IndexInfo(("docs",), {"title": "text", "body": "text", "tag": "keyword"})


@asynccontextmanager
async def asking(said: Any = CAPS, clock: Any = lambda: 0.0) -> AsyncIterator[tuple[Indices, Fake]]:
    row = said if isinstance(said, Said) else Said(json.dumps(said).encode())
    async with serving(Fake({"": row})) as engine:
        upstream = Upstream(settings(engine))
        yield Indices(upstream, clock), engine
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
        assert await indices.about(Search(target, params), {}) == INFO
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
        (Said(b"{"), None),
        (Said(b'{"error":{}}', status=404), None),
        (Said(json.dumps(CAPS).encode(), status=403), None),
        (Said([b'{"fields":'], cut_off=True), None),
    ],
)
async def test_answers(said: Any, expected: IndexInfo | None) -> None:
    async with asking(said) as (indices, _):
        assert await indices.about(Search("docs"), {}) == expected


async def test_an_engine_that_is_gone_says_nothing() -> None:
    upstream = Upstream(settings())
    assert await Indices(upstream).about(Search("docs"), {}) is None
    await upstream.close()


async def test_answers_are_kept_for_a_minute_and_for_their_caller() -> None:
    now = [0.0]
    async with asking(clock=lambda: now[0]) as (indices, engine):
        for who in ({}, {"Authorization": "a"}, {"Authorization": "b"}, {"Authorization": "a"}, {"X-Opaque-Id": "9"}):
            assert await indices.about(Search("docs"), who) == INFO
        assert [seen.headers.get("Authorization") for seen in engine.seen] == [None, "a", "b"]
        now[0] = 61.0
        await indices.about(Search("docs"), {})
        assert len(engine.seen) == 4


async def test_a_fault_is_not_kept() -> None:
    async with asking() as (indices, engine):
        engine.says[""], good = Said(b"", status=503), engine.says[""]
        assert await indices.about(Search("docs"), {}) is None
        engine.says[""] = good
        assert await indices.about(Search("docs"), {}) == INFO


async def test_memory_is_bounded() -> None:
    async with asking() as (indices, engine):
        for at in range(1002):
            indices._keep(b"%d" % at, INFO)
        assert len(indices._known) == 1000
    assert engine.seen == []
