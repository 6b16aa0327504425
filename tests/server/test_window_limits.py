from __future__ import annotations

import json

from es_rerank.model import EngineReply
from es_rerank.server.window_limits import WindowLimits
from es_rerank.testing import FakeResponse, ReceivedRequest
from tests.server.handlers.engine import HOSE, running, search

REASON = b"Result window is too large, from + size must be less than or equal to: [%d] but was [50]. See the scroll api"
REFUSED = b'{"error":{"root_cause":[{"type":"illegal_argument_exception","reason":"%b"}]},"status":400}'


def test_a_limit_is_known_for_a_minute() -> None:
    now = 0.0
    limits = WindowLimits(lambda: now)
    assert limits.of("docs") is None
    limits.learn("docs", REFUSED % (REASON % 20))
    now = 59.0
    assert (limits.of("docs"), limits.of("other"), repr(limits)) == (20, None, "WindowLimits(1)")
    now = 60.0
    assert limits.of("docs") is None


def test_shards_may_have_refused_a_window_but_documents_cannot() -> None:
    limits = WindowLimits()
    shards = b'{"_shards":{"failures":[{"reason":{"reason":"%b"}}]},"hits":{}}' % (REASON % 30)
    limits.learn_from("some", EngineReply(body=shards))
    limits.learn_from("none", EngineReply(body=b'{"_shards":{},"hits":{"text":"%b"}}' % (REASON % 5)))
    limits.learn_from("error", EngineReply(error=REFUSED % (REASON % 40)))
    limits.learn_from("nothing", EngineReply())
    assert [limits.of(name) for name in ("some", "none", "error", "nothing")] == [30, None, 40, None]


def test_the_number_of_limits_is_bounded() -> None:
    limits = WindowLimits()
    for number in range(1001):
        limits.learn(str(number), REFUSED % (REASON % 20))
    assert (limits.of("0"), limits.of("1")) == (None, 20)


def limited(seen: ReceivedRequest) -> FakeResponse:
    """Return at most three hits."""
    if "size=50" in seen.target:
        return FakeResponse(REFUSED % (REASON % 3), status=400)
    return search(seen)


async def test_the_window_of_an_index_with_a_limit_is_smaller_from_the_second_search_on() -> None:
    async with running({"/docs/_search": limited}) as (proxy, engine, _):
        got = [await proxy.send("POST", "/docs/_search", {**HOSE, "size": 2}) for _ in range(2)]
    assert got[0].headers["X-Rerank"] == "skipped; why=engine_error"
    assert got[1].headers["X-Rerank"].startswith("reranked; window=3;")
    assert engine.targets() == ["/docs/_search?from=0&size=50", "/docs/_search", "/docs/_search?from=0&size=3"]


async def test_each_index_of_an_msearch_has_its_own_limit() -> None:
    def answers(seen: ReceivedRequest) -> FakeResponse:
        lines = [json.loads(line) for line in seen.body.splitlines()]
        error = json.loads(REFUSED % (REASON % 3))
        pairs = zip(lines[::2], lines[1::2], strict=True)
        each = [
            error if "a" in str(header) and body.get("size", 0) > 3 else whole(seen, body) for header, body in pairs
        ]
        return FakeResponse(json.dumps({"took": 7, "responses": each}).encode())

    def whole(seen: ReceivedRequest, body: object) -> object:
        found = search(ReceivedRequest("POST", "/docs/_search", seen.headers, json.dumps(body).encode()))
        return {**json.loads(bytes(found.body)), "status": 200}

    caps = FakeResponse(b'{"indices":["docs"],"fields":{"body":{"text":{}}}}')
    says = {"/_msearch": answers, "/a/_field_caps": caps, "/b/_field_caps": caps}
    line = json.dumps({**HOSE, "size": 2}).encode()
    lines = b'{"index":"a"}\n%b\n{"index":"b"}\n%b\n' % (line, line)
    async with running(says) as (proxy, _, _):
        got = [await proxy.send("POST", "/_msearch", lines, [("Content-Type", "application/json")]) for _ in range(2)]
    assert [one.headers["X-Rerank"].split(", ")[0].split(";")[:2] for one in got] == [
        ["skipped", " why=engine_error"],
        ["reranked", " window=3"],
    ]
    assert all(one.headers["X-Rerank"].split(", ")[1].startswith("reranked; window=4;") for one in got)
