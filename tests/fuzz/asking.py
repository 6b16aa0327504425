"""Invariants of requests: connections, heads, bodies, query text, and plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from msgspec import Raw
from multidict import CIMultiDict

from es_rerank.compat import dialects
from es_rerank.compat import endpoints as compat_endpoints
from es_rerank.jsonspan import elements, members
from es_rerank.model import IndexInfo, Long, Plan, PolicySpec, Rule, Search, Skip
from es_rerank.net.content_encoding import packed, understood, unpacked
from es_rerank.net.headers import HOP_BY_HOP, passing
from es_rerank.search import plan
from es_rerank.search.engine_request import two_phase
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, engine_request
from es_rerank.search.formats import (
    async_search,
    endpoints,
    inference,
    multi_search,
    native_reranker,
    rank_eval,
    search_template,
)
from es_rerank.search.formats.endpoints import ENDPOINTS, EndpointRequest
from es_rerank.search.formats.native_reranker import resolve
from es_rerank.search.query_text.dedup import join_distinct as put_together
from es_rerank.search.query_text.kql import kql_words
from es_rerank.search.query_text.lucene import lucene_words, simple_words, wildcard_words
from es_rerank.search.response import filter_path
from es_rerank.server import client_request
from es_rerank.server.listen import proxy_protocol
from es_rerank.server.listen.connection import escaped
from es_rerank.server.listen.request_checks import Head, rejection
from tests.fuzz.inputs import Choices, parted, text

ROWS = (*ENDPOINTS, *compat_endpoints.rows(sniffed=True, presented=True))
KINDS = {
    "title": "text",
    "title.english": "text",
    "body": "text",
    "abstract": "text",
    "comments.said": "text",
    "embedding": "semantic_text",
    "tag": "keyword",
    "year": "integer",
    "vector": "dense_vector",
}
INFOS = (
    IndexInfo(("library",), KINDS),
    IndexInfo(("library", "papers"), {"body": "text"}),
    IndexInfo(("cluster:library",), KINDS),
    IndexInfo((), KINDS),
    IndexInfo(("library",), {}),
)
RULES = (
    Rule("docs"),
    Rule("docs", window=2),
    Rule("docs", window=5, fields=("title", "comments.said"), template="{title}\n> {comments.said}"),
    Rule("docs", window=1000, policy=PolicySpec("rrf", 1.0), long=Long("max_passage", 16, 512), instruction="Judge"),
)
# Members that the engine request may change: the page, which goes to the URL, and additional fields.
_OURS = frozenset({"from", "size", "fields"})
_MAX_BYTES = 10_000


def wire(data: bytes) -> None:
    """PROXY headers are parsed the same in any pieces; decompression never exceeds its limit."""
    prefix, payload = parted(data, 2)
    choose = Choices(prefix)
    _proxy_header(payload, choose.number(255))
    for coding in ("gzip", "deflate", "x-gzip", ""):
        found = unpacked(payload, coding, _MAX_BYTES)
        assert found is None or not coding or len(found) <= _MAX_BYTES
    coding = choose.one(("gzip", "deflate"))
    assert unpacked(packed(payload, coding), coding, len(payload)) == payload
    assert not payload or unpacked(packed(payload, coding), coding, len(payload) - 1) is None


def _proxy_header(payload: bytes, cut: int) -> None:
    try:
        found = proxy_protocol.read(payload)
    except proxy_protocol.ProxyProtocolError:
        return
    if found is None:
        return
    assert 0 < found.size <= len(payload)
    assert proxy_protocol.read(payload[: found.size]) == found, "the bytes after the header make a difference"
    if cut < found.size:
        assert proxy_protocol.read(payload[:cut]) is None, "a part of the header is rejected, or accepted as a whole"


def requests(data: bytes) -> None:
    """Head and body of a request: rejected, passed through, or parsed by its endpoint, without an exception."""
    line, head, body = parted(data, 3)
    method, _, raw = escaped(line.split(b"\n")[0]).decode("latin-1").partition(" ")
    raw_headers = [(name, value.strip()) for name, _, value in (one.partition(b":") for one in head.split(b"\n"))]
    headers = passing(raw_headers)
    assert not {name.lower() for name in headers} & HOP_BY_HOP
    if rejection(Head(method, raw, headers)):
        return
    _typed(headers)
    target = client_request.target(cast("Any", SimpleNamespace(raw_path=raw)))
    assert target.startswith("/")
    carried = endpoints.match(method, target, headers, ROWS)
    if carried is None:
        return
    endpoints.other_answer(carried)
    filter_path.paths(carried.params)
    skip = endpoints.unreadable(carried, body)
    if skip is None and carried.endpoint in _READERS:
        _READERS[carried.endpoint](carried, endpoints.content(carried, body))


def _typed(headers: CIMultiDict[str]) -> None:
    """Media types and content encodings: the engine is offered only what the client accepts."""
    accepted = headers.get("Accept-Encoding", "")
    left = [item.partition(";")[0].strip().lower() for item in understood(accepted).split(",")]
    assert set(left) <= {"", "gzip", "x-gzip", "deflate", "x-deflate", "identity", "x-identity"}
    dialect = dialects.DIALECTS["elasticsearch-9"]
    assert dialect is not None
    assert len(dialect.asked(headers)) == len(headers)
    dialect.said(headers.get("Accept", ""), headers)


def _one(carried: EndpointRequest, content: bytes) -> None:
    _read(endpoints.search(carried, carried.target, carried.params, content), content)


def _read(found: Search | Skip, content: bytes) -> None:
    """A body is an object or empty, and is unchanged unless it names a reranker."""
    if isinstance(found, Search):
        assert not found.raw or isinstance(msgspec.json.decode(found.raw), dict)
        assert found.rerank_request or found.raw == content
        plan.early(found)


def _template(_carried: EndpointRequest, content: bytes) -> None:
    search = search_template.rendered(content, content)
    if search is not None:
        members(search_template.inline(search))


def _many(carried: EndpointRequest, content: bytes) -> None:
    body = content + b"\n"
    items = multi_search.read(body, carried.target)
    if items is None:
        return
    again = multi_search.read(multi_search.write([(item.header, item.body) for item in items]), carried.target)
    assert again is not None
    assert [(one.target, one.options) for one in again] == [(one.target, one.options) for one in items]
    for item in items:
        multi_search.options(item, carried.params)
        _read(endpoints.search(carried, item.target, item.options, item.body), item.body)


def _rated(_carried: EndpointRequest, content: bytes) -> None:
    _evaluated(content, {0})


def rated(data: bytes) -> None:
    """Rated searches: the given ones are replaced, all others are unchanged."""
    prefix, body = parted(data, 2)
    choose = Choices(prefix)
    _evaluated(body, {at for at in range(8) if choose.switch()})


def _evaluated(content: bytes, places: set[int]) -> None:
    found = rank_eval.read(content)
    if not found:
        return
    new = rank_eval.ranked([rank_eval.Ranked("docs", "1", 2.0), rank_eval.Ranked("docs", "é", 2.0)])
    out = rank_eval.write(content, dict.fromkeys(places, new))
    left, right = members(content), members(out)
    assert left.keys() - {"templates"} == right.keys() - {"templates"}
    assert all(left[name].of(content) == right[name].of(out) for name in right if name != "requests")
    before, after = elements(left["requests"].of(content)), elements(right["requests"].of(out))
    assert len(after) == len(before)
    for at, (old, one) in enumerate(zip(before, after, strict=True)):
        inner = members(one)
        assert at not in places or inner["request"].of(one) == new
        assert at not in places or not inner.keys() & {"template_id", "params"} or "request" in members(old)
        assert at in places or old == one
    again = rank_eval.read(out)
    assert again is not None
    assert [one.size for one in again] == [one.size for one in found]


def _polled(carried: EndpointRequest, _content: bytes) -> None:
    known = async_search.recall(carried.id, {"docs": RULES[0]}.get)
    if known is not None:
        engine_id, kept = known
        assert kept.fetch_from <= kept.start
        again = async_search.recall(async_search.token(engine_id, kept), {"docs": RULES[0]}.get)
        assert again is not None
        assert again[0] == engine_id
        assert (again[1].start, again[1].size, again[1].window) == (kept.start, kept.size, kept.window)


def _inferred(_carried: EndpointRequest, content: bytes) -> None:
    question = inference.read(content)
    if not isinstance(question, str):
        scores = [None if not one.strip() else len(one) % 7 / 7 for one in question.documents]
        msgspec.json.decode(inference.write(question, scores))


_READERS: Mapping[str, Callable[[EndpointRequest, bytes], None]] = {
    "_search": _one,
    "_search/template": _template,
    "_msearch": _many,
    "_msearch/template": _many,
    "_async_search": _one,
    "_async_search/{id}": _polled,
    "_rank_eval": _rated,
    "_inference/{id}": _inferred,
}


def words(data: bytes) -> None:
    """Query languages: the words of a text contain no character that is not in it."""
    prefix, typed = parted(data, 2)
    choose, given = Choices(prefix), text(typed)
    bare, fields = choose.switch(), choose.one((frozenset(), frozenset({"title"}), frozenset({"title", "body", "a"})))
    known = {*given, " "}
    for found in (
        lucene_words(given, fields.__contains__, unscoped=bare),
        kql_words(given, fields.__contains__, unscoped=bare),
        simple_words(given),
        wildcard_words(given),
        put_together(given.split("\n")),
        put_together(given.split()),
    ):
        assert set(found) <= known, "a character is not in the text"
    assert simple_words(given) == simple_words(given).strip()


def plans(data: bytes) -> None:
    """Search bodies with URL parameters: a plan keeps the client's page and query, or the search is skipped."""
    prefix, query_string, body = parted(data, 3)
    choose = Choices(prefix)
    endpoint, rule, info = choose.one(tuple(ENGINE_REQUESTS)), choose.one(RULES), choose.one(INFOS)
    carried = EndpointRequest("library", text(query_string), {}, endpoint, f"/library/{endpoint}")
    if endpoints.unreadable(carried, body):
        return
    content = endpoints.content(carried, body)
    _asked(content, carried.params.get("search_pipeline"))
    found = endpoints.search(carried, "library", carried.params, content)
    _read(found, content)
    if isinstance(found, Skip) or plan.early(found):
        return
    made = plan.make(found, rule, info, two_phase=ENGINE_REQUESTS[endpoint].splits)
    if isinstance(made, Plan):
        _planned(made, found, rule)
        _engine_request(carried, found, made)
        _restored(made)


def _asked(content: bytes, pipeline: str | None) -> None:
    """Taking a native reranker out of a body moves values without changing them; a second pass finds none."""
    resolved = resolve(content, pipeline)
    if resolved.native or resolved.rerank_request is None:
        assert resolved.raw == content
        return
    assert resolved.rerank_request.text.strip()
    before, after = members(content), members(resolved.raw)
    for name in after.keys() - {"retriever", "ext"}:
        came = before[name].of(content) if name in before else after[name].of(resolved.raw)
        assert name in before or name in native_reranker._PLAIN, "a member is not in the request"
        assert after[name].of(resolved.raw) == came, name
    again = resolve(resolved.raw, pipeline)
    assert again.rerank_request is None


def _planned(made: Plan, found: Search, rule: Rule) -> None:
    start, size = plan.page(found)
    assert made.start == start
    assert made.size == size or (found.rerank_request and found.rerank_request.window is not None and made.size < size)
    assert made.text.strip()
    assert made.passage_fields
    assert 0 <= made.window <= rule.window
    assert 0 <= made.fetch_from <= made.start
    assert made.fetch_from + made.fetch_size >= made.start + made.size
    assert made.fetch_size >= made.window


def _engine_request(carried: EndpointRequest, found: Search, made: Plan) -> None:
    """The engine request has the client's query, and every other member but those of the page and its fields."""
    to = engine_request(carried, found, made)
    body = _body(to.body, carried)
    before = msgspec.json.decode(found.raw or b"{}", type=dict[str, Raw])
    ours = _OURS | ({"stored_fields", "_source"} if made.bare else set())
    if made.light:
        assert body.keys() <= two_phase._KEPT
        ours |= {"_source", *(before.keys() - two_phase._KEPT)}
        ours |= {name for name, raw in before.items() if b"inner_hits" in bytes(raw)}
    for name in before.keys() - ours:
        assert bytes(body[name]) == bytes(before[name]), name
    params = endpoints.parameters(to.query_string)
    if carried.endpoint in {"_search", "_async_search", "_rank_eval"}:
        assert (params["from"], params["size"]) == (str(made.fetch_from), str(made.fetch_size))
        dropped = {*two_phase.HIT_PARAMETERS, "from", "size", "filter_path", "source", "source_content_type"}
        kept = {name: value for name, value in carried.params.items() if name not in dropped}
        assert kept.items() <= params.items()
    else:
        assert bytes(body["from"]) == str(made.fetch_from).encode()
        assert bytes(body["size"]) == str(made.fetch_size).encode()
    assert len(filter_path.paths(params).included) <= 1
    if made.light:
        page = replace(made, light=False, only=(("library", "1"), ("papers", "é")), fetch_size=2)
        full = _body(engine_request(carried, found, page).body, carried)
        for name in before.keys() - _OURS - {"post_filter"}:
            assert bytes(full[name]) == bytes(before[name]), name
        assert bytes(before.get("post_filter", b"")) in bytes(full["post_filter"])


def _body(body: bytes, carried: EndpointRequest) -> dict[str, Raw]:
    """Decode the body of a search, or the search that a template renders to."""
    found = msgspec.json.decode(body or b"{}", type=dict[str, Raw])
    if carried.endpoint != "_search/template":
        return found
    params = msgspec.json.decode(found["params"], type=dict[str, str])
    return msgspec.json.decode(params["search"], type=dict[str, Raw])


def _restored(made: Plan) -> None:
    """A plan in the id of an asynchronous search is restored unchanged, or with its page alone."""
    known = async_search.recall(async_search.token("FmRldE8zREVEUzA2ZVpUeGs2ejJFUFEa", made), lambda _: made.rule)
    if known is None:
        assert max(made.start, made.size, made.fetch_size) > 2**31 - 1
        return
    engine_id, kept = known
    assert engine_id == "FmRldE8zREVEUzA2ZVpUeGs2ejJFUFEa"
    assert (kept.start, kept.size, kept.fetch_from, kept.fetch_size) == (
        made.start,
        made.size,
        made.fetch_from,
        made.fetch_size,
    )
    assert kept.text in {made.text, ""}
