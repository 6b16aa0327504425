"""What is too deep, too long or too many: a skip or a clear error, and never a fault of ours."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from es_rerank.search.formats.endpoints import MAX_SEARCHES
from es_rerank.testing import ClientReply, FakeResponse, ReceivedRequest, RunningEndpoint, search_response
from tests.server.handlers.engine import running

# es-rerank reads 200 levels; engines refuse about 1,000, Elasticsearch maps 20 of a document.
DEPTHS = (20, 150, 300, 1_000, 100_000)
HITS = (("1", 2.0, "spare parts"), ("2", 1.0, "mend a hose"))
ANSWER = search_response(*HITS)
HOSE = '{"query":{"match":{"body":"hose"}}}'
MATCH = '{"match":{"body":"hose"}}'
STANDARD = '{"standard":{"query":{"match":{"body":"hose"}}}}'
JSON = [("Content-Type", "application/json")]

Deep = Callable[[int], str]


def wrapped(before: str, inner: str, after: str) -> Deep:
    return lambda depth: before * depth + inner + after * depth


def arrays(inner: str = "") -> Deep:
    return wrapped("[", inner, "]")


def objects(inner: str = "1") -> Deep:
    return wrapped('{"a":', inner, "}")


def put(template: str, deep: str) -> str:
    """Put something deep in the place of @."""
    return template.replace("@", deep)


# Where the depth is in a search, and what is deep.
BODIES: Mapping[str, tuple[str, Deep]] = {
    "bool": ('{"query":@}', wrapped('{"bool":{"must":', MATCH, "}}")),
    "list of queries": ('{"query":@}', wrapped('{"bool":{"should":[', MATCH, "]}}")),
    "unknown clause": ('{"query":@}', objects()),
    "nested": ('{"query":@}', wrapped('{"nested":{"path":"a","query":', MATCH, "}}")),
    "intervals": (
        '{"query":{"intervals":{"body":@}}}',
        wrapped('{"all_of":{"intervals":[', '{"match":{"query":"hose"}}', "]}}"),
    ),
    "script": ('{"query":{"script_score":{"query":{"match":{"body":"hose"}},"script":@}}}', objects()),
    "span": ('{"query":@}', wrapped('{"span_near":{"clauses":[', "{}", "]}}")),
    "text": ('{"query":{"match":{"body":@}}}', arrays('"hose"')),
    "query string": ('{"query":{"query_string":{"query":"@"}}}', wrapped("(", "hose", ")")),
    "kql": ('{"query":{"kql":{"query":"@"}}}', wrapped("(", "hose", ")")),
    "aggregations": ('{"query":{"match":{"body":"hose"}},"aggs":@}', objects()),
    "source": ('{"query":{"match":{"body":"hose"}},"_source":@}', arrays('"a"')),
    "fields": ('{"query":{"match":{"body":"hose"}},"fields":@}', arrays('"a"')),
    "sort": ('{"query":{"match":{"body":"hose"}},"sort":@}', arrays('"_score"')),
    "sort order": ('{"query":{"match":{"body":"hose"}},"sort":[{"_score":@}]}', objects()),
    "point in time": ('{"query":{"match":{"body":"hose"}},"pit":@}', objects()),
    "retrievers": ('{"retriever":@}', wrapped('{"rrf":{"retrievers":[', STANDARD, "]}}")),
    "rerankers": (
        '{"retriever":@}',
        wrapped('{"text_similarity_reranker":{"inference_text":"x","retriever":', STANDARD, "}}"),
    ),
    "extension": ('{"query":{"match":{"body":"hose"}},"ext":{"rerank":@}}', objects()),
    "path of the text": (
        '{"query":{"match":{"body":"hose"}},"ext":{"rerank":{"query_context":{"query_text_path":"@"}}}}',
        wrapped("a.", "a", ""),
    ),
}
# Where a search stands in a request.
SENDS: Mapping[str, tuple[str, str]] = {
    "search": ("/docs/_search", "@"),
    "async": ("/docs/_async_search", "@"),
    "msearch": ("/_msearch", '{"index":"docs"}\n@\n'),
    "msearch header": ("/_msearch", f'{{"index":"docs","x":@}}\n{HOSE}\n'),
    "routing": ("/_msearch", f'{{"index":"docs","routing":[@]}}\n{HOSE}\n'),
    "template": ("/docs/_search/template", '{"source":@,"params":{"q":"hose"}}'),
    "parameters": ("/docs/_search/template", '{"id":"t","params":{"q":"hose","x":@}}'),
    "templates": ("/_msearch/template", '{"index":"docs"}\n{"id":"t","params":{"q":@}}\n'),
    "rank_eval": (
        "/docs/_rank_eval",
        '{"requests":[{"id":"a","request":@,"ratings":[]}],"metric":{"precision":{"k":3}}}',
    ),
    "metric": (
        "/docs/_rank_eval",
        f'{{"requests":[{{"id":"a","request":{HOSE},"ratings":[]}}],"metric":{{"precision":@}}}}',
    ),
    "inference": ("/_inference/rerank/mine", '{"query":"a","input":["b"],"task_settings":@}'),
    "candidates": ("/_rerank/rank", '{"query":"a","candidates":["b"],"x":@}'),
}
MSEARCH = put(SENDS["msearch"][1], HOSE)
ENGINE: Mapping[str, Any] = {
    "/_msearch": FakeResponse(b'{"took":1,"responses":[%s]}' % ANSWER),
    "/docs/_rank_eval": FakeResponse(b'{"metric_score":1.0}'),
    "/docs/_async_search": FakeResponse(b'{"is_running":false,"is_partial":false,"response":%s}' % ANSWER),
    "/docs/_search": FakeResponse(ANSWER),
    "/_render/template": FakeResponse(b'{"template_output":%s}' % HOSE.encode()),
}


async def sent(proxy: RunningEndpoint, target: str, body: str) -> ClientReply:
    """Send a request and make sure that nothing of it is a fault in the log."""
    place = proxy.pages if target.startswith("/_rerank/") else proxy
    with capture_logs() as lines:
        got = await place.send("POST", target, body.encode(), JSON)
    assert [line for line in lines if line["log_level"] in {"error", "critical"} or "exc_info" in line] == []
    return got


@pytest.mark.parametrize("send", SENDS)
async def test_a_request_of_any_depth_is_answered(send: str) -> None:
    target, request = SENDS[send]
    ours = target.startswith(("/_inference", "/_rerank"))
    async with running(dict(ENGINE), inference_ids="mine") as (proxy, _, _):
        for name, (body, deep) in BODIES.items():
            for depth in DEPTHS:
                got = await sent(proxy, target, put(request, put(body, deep(depth))))
                assert got.status in ({200, 400} if ours else {200}), (name, depth)
                assert "internal" not in got.headers.get("X-Rerank", ""), (name, depth)
                assert got.status == 200 or got.json["error"]["root_cause"], (name, depth)


@pytest.mark.parametrize("name", sorted(BODIES.keys() - {"query string", "kql"}))
async def test_what_is_deeper_than_any_engine_takes_goes_to_it_as_it_came(name: str) -> None:
    template, deep = BODIES[name]
    body = put(template, deep(100_000))
    async with running(dict(ENGINE)) as (proxy, engine, _):
        got = await sent(proxy, "/docs/_search", body)
    assert got.headers["X-Rerank"].startswith("skipped; why=")
    assert (got.body, engine.seen[-1].body) == (ANSWER, body.encode())


def with_second(members: str) -> bytes:
    """Write an answer whose second hit has these members."""
    first, _, _ = ANSWER.decode().partition('{"_index": "docs", "_id": "2"')
    return (first + '{"_index": "docs", "_id": "2", "_score": 1.0, ' + members + "}]}}").encode()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    ("members", "deep"),
    [
        ('"_source":{"body":@}', arrays('"mend a hose"')),
        ('"_source":{"body":"mend a hose","x":@}', objects()),
        ('"_source":@', objects('"mend a hose"')),
        ('"_source":{},"fields":{"body":@}', arrays('"mend a hose"')),
        ('"_source":{"body":"mend a hose"},"_explanation":@', objects()),
        ('"_source":{"body":"mend a hose"},"sort":@', arrays()),
        ('"_source":{"body":"mend a hose"},"_ignored":@', arrays()),
    ],
)
async def test_an_answer_of_any_depth_reaches_the_client(members: str, deep: Deep, depth: int) -> None:
    said = with_second(put(members, deep(depth)))
    rows = {"/docs/_search": FakeResponse(said), "/_msearch": FakeResponse(b'{"responses":[%s]}' % said)}
    async with running(dict(ENGINE) | rows) as (proxy, _, _):
        for target, body in (("/docs/_search", HOSE), ("/_msearch", MSEARCH)):
            got = await sent(proxy, target, body)
            assert got.status == 200
            assert got.headers["X-Rerank"].startswith(("reranked", "skipped; why=engine_"))
            assert got.body.count(b'"mend a hose"') == 1


@pytest.mark.parametrize("path", ["-**.zz", "**.hits._id,**.zz"])
async def test_an_answer_that_is_too_deep_to_be_cut_is_cut_by_the_engine(path: str) -> None:
    said = with_second(put('"_source":{"body":"mend a hose","x":@}', objects('{"zz":1}')(400)))

    def search(seen: ReceivedRequest) -> FakeResponse:
        return FakeResponse(b'{"cut":"by the engine"}' if path in seen.target else said)

    rows = {"/docs/_search": search, "/_msearch": lambda seen: FakeResponse(b'{"responses":[%s]}' % search(seen).body)}
    async with running(dict(ENGINE) | rows) as (proxy, _, _):
        one = await sent(proxy, f"/docs/_search?filter_path={path}", HOSE)
        many = await sent(proxy, f"/_msearch?filter_path={path}", MSEARCH)
    assert (one.json, one.headers["X-Rerank"]) == ({"cut": "by the engine"}, "skipped; why=engine_answer")
    assert many.json == {"responses": [{"cut": "by the engine"}]}
    assert many.headers["X-Rerank"] == "skipped; why=engine_error"


@pytest.mark.parametrize(("depth", "outcome"), [(20, "reranked"), (150, "reranked"), (300, "skipped; why=mapping")])
async def test_a_mapping_of_any_depth_is_no_fault(depth: int, outcome: str) -> None:
    caps = FakeResponse(put('{"indices":["docs"],"fields":{"body":{"text":@}}}', objects()(depth)).encode())
    async with running(dict(ENGINE) | {"/docs/_field_caps": caps}) as (proxy, _, _):
        got = await sent(proxy, "/docs/_search", HOSE)
    assert (got.status, got.headers["X-Rerank"].startswith(outcome)) == (200, True)


def many_searches(count: int) -> str:
    return '{"index":"docs"}\n{"query":{"match_none":{}}}\n' * count


def many_ratings(count: int) -> str:
    one = {"id": "a", "request": {"query": {"match_none": {}}}, "ratings": []}
    return json.dumps({"requests": [one] * count, "metric": {"precision": {}}})


@pytest.mark.parametrize(
    ("target", "write"),
    [("/_msearch", many_searches), ("/docs/_rank_eval", many_ratings)],
    ids=["msearch", "rank_eval"],
)
async def test_a_thousand_searches_are_read_and_more_are_the_engines(target: str, write: Callable[[int], str]) -> None:
    async with running(dict(ENGINE) | {target: FakeResponse(b'{"own":1}')}) as (proxy, engine, _):
        most = await sent(proxy, target, write(MAX_SEARCHES))
        more = await sent(proxy, target, write(MAX_SEARCHES + 1))
    assert most.headers["X-Rerank"].startswith("skipped; why=no_query_text, skipped; why=no_query_text, ")
    assert most.headers["X-Rerank"].endswith(f", and {MAX_SEARCHES - 32} more")
    assert more.headers["X-Rerank"] == "skipped; why=too_large"
    assert [seen.body for seen in engine.seen if target in seen.target][-1] == write(MAX_SEARCHES + 1).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({**json.loads(HOSE), **{f"m{at}": 1 for at in range(999)}}, ""),
        ({**json.loads(HOSE), **{f"m{at}": 1 for at in range(1000)}}, "too_large"),
        ({**json.loads(HOSE), "fields": [f"f{at}*" for at in range(1000)]}, ""),
        ({**json.loads(HOSE), "fields": [f"f{at}*" for at in range(1001)]}, "too_large"),
    ],
)
async def test_no_search_has_over_a_thousand_members_or_patterns(body: Mapping[str, Any], why: str) -> None:
    async with running(dict(ENGINE)) as (proxy, _, _):
        got = await sent(proxy, "/docs/_search", json.dumps(body))
    assert got.headers["X-Rerank"].startswith(f"skipped; why={why}" if why else "reranked")


async def test_over_the_memory_of_all_requests_searches_are_passed_through() -> None:
    body = HOSE.encode().ljust(600)
    arrived = asyncio.Event()

    async def unfinished() -> AsyncIterator[bytes]:
        yield body
        await arrived.wait()

    async with running(dict(ENGINE), inference_ids="mine", max_memory=1024) as (proxy, engine, _):
        url = f"{proxy.url}/docs/_search"
        first = asyncio.create_task(proxy.session.post(url, data=unfinished(), headers=dict(JSON)).__aenter__())
        for _ in range(5):  # until then, the first part of the body has arrived
            await proxy.send("GET", "/_render/template")
        refused = await sent(proxy, "/_inference/rerank/mine", '{"query":"a","input":["b"]}'.ljust(600))
        second = await sent(proxy, "/docs/_search", body.decode())
        arrived.set()
        async with await first as answer:
            assert answer.status == 200
        third = await sent(proxy, "/docs/_search", HOSE)
    assert (refused.status, refused.json["error"]["type"]) == (429, "circuit_breaking_exception")
    assert (second.status, second.headers["X-Rerank"]) == (200, "skipped; why=out_of_memory")
    assert third.headers["X-Rerank"].startswith("reranked")
    assert body in [seen.body for seen in engine.seen]


@pytest.mark.parametrize("target", ["/docs/_search", "/docs/_msearch"])
@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_over_the_memory_of_all_requests_is_streamed(target: str, compressed: bool) -> None:
    said = ANSWER.ljust(3000)
    body = HOSE if target.endswith("_search") else f"{{}}\n{HOSE}\n"
    headers = [*JSON, *([("Content-Encoding", "gzip")] if compressed else [])]
    reply = FakeResponse(gzip.compress(said) if compressed else said, headers=headers)
    async with running(dict(ENGINE) | {target: reply}, max_memory=2048) as (proxy, engine, _):
        got = await sent(proxy, target, body)
    assert got.body == reply.body
    assert got.headers["X-Rerank"] == "skipped; why=out_of_memory"
    assert engine.seen[-1].body == body.encode()


TERMS = {"query": {"bool": {"must": [json.loads(MATCH)], "filter": {"terms": {"a": [1] * 200_000}}}}}
CLAUSES = {"query": {"bool": {"should": [json.loads(MATCH)] * 6_000}}}
PATTERNS = {"query": {"query_string": {"query": "hose", "fields": [f"{number}*a" for number in range(20_000)]}}}


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/docs/_search", json.dumps(TERMS)),
        ("/docs/_search", json.dumps(CLAUSES)),
        ("/docs/_search", json.dumps(PATTERNS)),
        ("/docs/_search", '{"query":' + "[]," * 60_000 + "}"),
        ("/docs/_search", '{"query":{"match":{"body":"' + "a" * 4_000_000 + '"}}}'),
        ("/docs/_search", HOSE[:-1] + ',"ext":{"rerank":"' + "a" * 1_000_000 + '"}}'),
        ("/docs/_async_search", json.dumps(CLAUSES)),
        ("/_msearch", '{"index":"docs"}\n' + json.dumps(CLAUSES) + "\n"),
        ("/_msearch", '{"index":"docs","x":' + json.dumps([1] * 200_000) + "}\n" + HOSE + "\n"),
    ],
)
async def test_a_search_that_takes_too_long_to_plan_goes_to_the_engine_as_it_came(target: str, body: str) -> None:
    async with running(dict(ENGINE), max_body=50_000_000) as (proxy, engine, _):
        got = await sent(proxy, target, body)
    assert got.headers["X-Rerank"] == "skipped; why=too_complex"
    assert (engine.seen[-1].target, engine.seen[-1].body) == (target, body.encode())


async def test_of_many_searches_only_those_that_take_too_long_to_plan_are_skipped() -> None:
    clauses = {"query": {"bool": {"should": [json.loads(MATCH)] * 2_000}}}
    bodies = "".join(f'{{"index":"docs"}}\n{body}\n' for body in (HOSE, json.dumps(clauses), HOSE))
    rows = {"/_msearch": FakeResponse(b'{"took":1,"responses":[%b,%b,%b]}' % ((ANSWER,) * 3))}
    async with running(dict(ENGINE) | rows) as (proxy, _, _):
        got = await sent(proxy, "/_msearch", bodies)
    assert [one.partition(";")[0] for one in got.headers["X-Rerank"].split(", ")] == ["reranked", "skipped", "reranked"]
    assert "why=too_complex" in got.headers["X-Rerank"]


@pytest.mark.parametrize(("size", "outcome"), [(1024, "reranked"), (1025, "skipped; why=too_large")])
async def test_a_body_is_planned_up_to_its_limit(size: int, outcome: str) -> None:
    async with running(dict(ENGINE), max_body=1024) as (proxy, _, _):
        got = await sent(proxy, "/docs/_search", HOSE.ljust(size))
    assert (got.status, got.headers["X-Rerank"].startswith(outcome)) == (200, True)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"candidates": ["a"] * 1000}, 200),
        ({"candidates": ["a"] * 1001}, 400),
        ({"candidates": ["a" * 100_000]}, 200),
        ({"candidates": ["a" * 100_001]}, 400),
        ({"query": "q" * 10_000}, 200),
        ({"query": "q" * 10_001}, 400),
    ],
)
async def test_candidates_are_ranked_up_to_their_limits(asked: Mapping[str, Any], status: int) -> None:
    async with running() as (proxy, _, _):
        got = await sent(proxy, "/_rerank/rank", json.dumps({"query": "q", "candidates": ["a"], **asked}))
    assert (got.status, "error" in got.json) == (status, status == 400)
