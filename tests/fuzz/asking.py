"""Invariants of requests: connections, heads, bodies, query text, and plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from msgspec import Raw
from multidict import CIMultiDict

from es_rerank import jsonspan
from es_rerank.compat import dialects
from es_rerank.compat import endpoints as compat_endpoints
from es_rerank.jsonspan import elements, members
from es_rerank.model import (
    FetchPhase,
    FetchSpec,
    HitKey,
    IndexInfo,
    LongDocumentMode,
    LongDocuments,
    Plan,
    PolicySpec,
    Rule,
    Search,
    Skip,
)
from es_rerank.net.content_encoding import compress, decompress, supported_encodings
from es_rerank.net.headers import HOP_BY_HOP, end_to_end_headers
from es_rerank.search import paging, phases, plan
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
from es_rerank.search.formats import decode as decoding
from es_rerank.search.formats.endpoints import ENDPOINTS, Endpoint, EndpointRequest, ParsedSearch
from es_rerank.search.formats.native_reranker import resolve
from es_rerank.search.formats.parse import parse
from es_rerank.search.query_text.dedup import merge_texts
from es_rerank.search.query_text.kql import kql_words
from es_rerank.search.query_text.lucene import lucene_words, wildcard_words
from es_rerank.search.query_text.simple import simple_words
from es_rerank.search.response import filter_path
from es_rerank.server import client_request
from es_rerank.server.listen import proxy_protocol
from es_rerank.server.listen.framing import escaped
from es_rerank.server.listen.request_checks import RequestHead, check_request
from tests.fuzz.inputs import Choices, parted, text

ROWS = (*ENDPOINTS, *compat_endpoints.rows(sniffing=True, emulation=True))
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
_LONG = LongDocuments(LongDocumentMode.MAX_PASSAGE, 16, 512)
RULES = (
    Rule("docs"),
    Rule("docs", window=2),
    Rule("docs", window=5, fields=("title", "comments.said"), template="{title}\n> {comments.said}"),
    Rule(
        "docs",
        window=1000,
        policy=PolicySpec("rrf", 1.0),
        long=_LONG,
        instruction="Judge",
    ),
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
        found = decompress(payload, coding, _MAX_BYTES)
        assert found is None or not coding or len(found) <= _MAX_BYTES
    coding = choose.one(("gzip", "deflate"))
    assert decompress(compress(payload, coding), coding, len(payload)) == payload
    assert not payload or decompress(compress(payload, coding), coding, len(payload) - 1) is None


def _proxy_header(payload: bytes, cut: int) -> None:
    try:
        found = proxy_protocol.read_proxy_header(payload)
    except proxy_protocol.ProxyProtocolError:
        return
    if found is None:
        return
    assert 0 < found.size <= len(payload)
    assert proxy_protocol.read_proxy_header(payload[: found.size]) == found, (
        "the bytes after the header make a difference"
    )
    if cut < found.size:
        assert proxy_protocol.read_proxy_header(payload[:cut]) is None, (
            "a part of the header is rejected, or accepted as a whole"
        )


def requests(data: bytes) -> None:
    """Head and body of a request: rejected, passed through, or parsed by its endpoint, without an exception."""
    line, head, body = parted(data, 3)
    method, _, raw = escaped(line.split(b"\n")[0]).decode("latin-1").partition(" ")
    raw_headers = [(name, value.strip()) for name, _, value in (one.partition(b":") for one in head.split(b"\n"))]
    headers = end_to_end_headers(raw_headers)
    assert not {name.lower() for name in headers} & HOP_BY_HOP
    if check_request(RequestHead(method, raw, headers)):
        return
    _typed(headers)
    target = client_request.target(cast("Any", SimpleNamespace(raw_path=raw)))
    assert target.startswith("/")
    request = endpoints.match(method, target, headers, ROWS)
    if request is None:
        return
    decoding.wants_other_format(request)
    filter_path.paths(request.params)
    assert isinstance(parse(request, body), Sequence | Skip)
    if request.endpoint in _READERS and decoding.unreadable(request, body) is None:
        _READERS[request.endpoint](request, decoding.content(request, body))


def _typed(headers: CIMultiDict[str]) -> None:
    """Media types and content encodings: the engine is offered only what the client accepts."""
    accepted = headers.get("Accept-Encoding", "")
    left = [item.partition(";")[0].strip().lower() for item in supported_encodings(accepted).split(",")]
    assert set(left) <= {"", "gzip", "x-gzip", "deflate", "x-deflate", "identity", "x-identity"}
    dialect = dialects.DIALECTS["elasticsearch-9"]
    assert dialect is not None
    assert len(dialect.request_headers(headers)) == len(headers)
    dialect.response_headers(headers.get("Accept", ""), headers)


def _one(request: EndpointRequest, content: bytes) -> None:
    parsed = parse(request, content)
    if isinstance(parsed, Skip):
        return  # the body is in the URL, which has a media type of its own
    (search,) = parsed
    assert search.body == content
    _read(decoding.decode(request, search), content)


def _read(found: Search | Skip, content: bytes) -> None:
    """A body is an object or empty, and is unchanged unless it names a reranker."""
    if isinstance(found, Search):
        body = found.body
        assert not body.raw or isinstance(jsonspan.decode(body.raw), dict)
        assert list(body.spans) == list(body.values)
        assert found.rerank_request or body.raw == content
        plan.early(found)


def _template(_request: EndpointRequest, content: bytes) -> None:
    search = search_template.rendered(content, content)
    if search is not None:
        members(search_template.inline(search))


def _many(request: EndpointRequest, content: bytes) -> None:
    templates = request.endpoint is Endpoint.MULTI_SEARCH_TEMPLATE
    parsed = multi_search.read(content + b"\n", request.target, request.params, templates=templates)
    if isinstance(parsed, Skip):
        return
    lines = [(one.header or b"", one.body) for one in parsed]
    again = multi_search.read(multi_search.write(lines), request.target, request.params, templates=templates)
    assert not isinstance(again, Skip)
    assert [(one.target, one.params) for one in again] == [(one.target, one.params) for one in parsed]
    for one in parsed:
        assert one.template == (one.body if templates else None)
        _read(decoding.decode(request, one, one.body), one.body)


def _rated(_request: EndpointRequest, content: bytes) -> None:
    _evaluated(content, {0})


def rated(data: bytes) -> None:
    """Rated searches: the given ones are replaced, all others are unchanged."""
    prefix, body = parted(data, 2)
    choose = Choices(prefix)
    _evaluated(body, {at for at in range(8) if choose.switch()})


def _evaluated(content: bytes, places: set[int]) -> None:
    found = rank_eval.read(content, "docs", {})
    if isinstance(found, Skip):
        return
    new = rank_eval.ranked([rank_eval.RankedHit(HitKey("docs", id_), 2.0) for id_ in ("1", "é")])
    out = rank_eval.write(content, dict.fromkeys(places, new))
    left, right = members(content), members(out)
    assert left.keys() - {"templates"} == right.keys() - {"templates"}
    assert all(left[name].of(content) == right[name].of(out) for name in right if name != "requests")
    before, after = _items(left["requests"].of(content)), _items(right["requests"].of(out))
    assert len(after) == len(before)
    for at, (old, one) in enumerate(zip(before, after, strict=True)):
        inner = members(one)
        assert at not in places or inner["request"].of(one) == new
        assert at not in places or not inner.keys() & {"template_id", "params"} or "request" in members(old)
        assert at in places or old == one
    again = rank_eval.read(out, "docs", {})
    assert not isinstance(again, Skip)
    assert [one.params["size"] for one in again] == [one.params["size"] for one in found]


def _items(text_: bytes) -> list[bytes]:
    """Return the bytes of each element of an array."""
    return [span.of(text_) for span in elements(text_)]


def _polled(request: EndpointRequest, _content: bytes) -> None:
    known = async_search.recall(request.id, {"docs": RULES[0]}.get)
    if known is not None:
        engine_id, kept = known
        assert kept.fetch.from_ <= kept.start
        again = async_search.recall(async_search.token(engine_id, kept), {"docs": RULES[0]}.get)
        assert again is not None
        assert again[0] == engine_id
        assert (again[1].start, again[1].size, again[1].window) == (kept.start, kept.size, kept.window)


def _inferred(_request: EndpointRequest, content: bytes) -> None:
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
        lucene_words(given, fields.__contains__, default_field_is_text=bare),
        kql_words(given, fields.__contains__, default_field_is_text=bare),
        simple_words(given),
        wildcard_words(given),
        merge_texts(given.split("\n")),
        merge_texts(given.split()),
    ):
        assert set(found) <= known, "a character is not in the text"
    assert simple_words(given) == simple_words(given).strip()


def plans(data: bytes) -> None:
    """Search bodies with URL parameters: a plan keeps the client's page and query, or the search is skipped."""
    prefix, query_string, body = parted(data, 3)
    choose = Choices(prefix)
    endpoint, rule, info = choose.one(tuple(ENGINE_REQUESTS)), choose.one(RULES), choose.one(INFOS)
    request = EndpointRequest("library", text(query_string), {}, endpoint, f"/library/{endpoint}")
    if decoding.unreadable(request, body):
        return
    content = decoding.content(request, body)
    _native_reranker(content, request.params.get("search_pipeline"))
    found = decoding.decode(request, ParsedSearch("library", request.params, content))
    _read(found, content)
    if isinstance(found, Skip) or plan.early(found):
        return
    made = plan.make(found, rule, info, two_phase=ENGINE_REQUESTS[endpoint].two_phase)
    if isinstance(made, Plan):
        _planned(made, found, rule)
        _engine_request(request, found, made)
        _restored(made)


def _native_reranker(content: bytes, pipeline: str | None) -> None:
    """Resolving a native reranker moves values of a body without changing them; a second pass finds none."""
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
    start, size = paging.page(found)
    assert made.start == start
    assert made.size == size or (found.rerank_request and found.rerank_request.window is not None and made.size < size)
    assert made.text.strip()
    assert made.passage_fields
    assert 0 <= made.window <= rule.window
    assert 0 <= made.fetch.from_ <= made.start
    assert made.fetch.from_ + made.fetch.size >= made.start + made.size
    assert made.fetch.size >= made.window
    assert made.fetch.phase is not FetchPhase.FETCH
    assert made.fetch.only == ()


def _engine_request(request: EndpointRequest, found: Search, made: Plan) -> None:
    """The engine request has the client's query, and every other member but those of the page and its fields."""
    to = engine_request(request, found, made)
    body = _body(to.body, request)
    before = jsonspan.decode(found.body.raw or b"{}", dict[str, Raw])
    ours = _OURS | ({"stored_fields", "_source"} if made.without_stored_fields else set())
    two_phase_plan = made.fetch.phase is FetchPhase.QUERY
    if two_phase_plan:
        assert body.keys() <= phases.WINDOW_PARTS
        ours |= {"_source", *(before.keys() - phases.WINDOW_PARTS)}
        ours |= {name for name, raw in before.items() if b"inner_hits" in bytes(raw)}
    for name in before.keys() - ours:
        assert bytes(body[name]) == bytes(before[name]), name
    params = endpoints.parameters(to.query_string)
    if request.endpoint in {Endpoint.SEARCH, Endpoint.ASYNC_SEARCH}:
        assert (params["from"], params["size"]) == (str(made.fetch.from_), str(made.fetch.size))
        dropped = {*two_phase.PAGE_PARAMETERS, "from", "size", "filter_path", "source", "source_content_type"}
        kept = {name: value for name, value in request.params.items() if name not in dropped}
        assert kept.items() <= params.items()
    else:
        assert bytes(body["from"]) == str(made.fetch.from_).encode()
        assert bytes(body["size"]) == str(made.fetch.size).encode()
    assert len(filter_path.paths(params).included) <= 1
    if two_phase_plan:
        page = replace(
            made, fetch=FetchSpec(FetchPhase.FETCH, 0, 2, (HitKey("library", "1"), HitKey("papers", "é", "r")))
        )
        full = _body(engine_request(request, found, page).body, request)
        for name in before.keys() - _OURS - {"post_filter"}:
            assert bytes(full[name]) == bytes(before[name]), name
        assert bytes(before.get("post_filter", b"")) in bytes(full["post_filter"])


def _body(body: bytes, request: EndpointRequest) -> dict[str, Raw]:
    """Decode the body of a search, or the search that a template renders to."""
    found = jsonspan.decode(body or b"{}", dict[str, Raw])
    if request.endpoint is not Endpoint.SEARCH_TEMPLATE:
        return found
    params = msgspec.json.decode(found["params"], type=dict[str, str])
    return jsonspan.decode(params["search"], dict[str, Raw])


def _restored(made: Plan) -> None:
    """A plan in the id of an asynchronous search is restored unchanged, or with its page alone."""
    known = async_search.recall(async_search.token("FmRldE8zREVEUzA2ZVpUeGs2ejJFUFEa", made), lambda _: made.rule)
    if known is None:
        assert max(made.start, made.size, made.fetch.size) > 2**31 - 1
        return
    engine_id, kept = known
    assert engine_id == "FmRldE8zREVEUzA2ZVpUeGs2ejJFUFEa"
    assert (kept.start, kept.size) == (made.start, made.size)
    assert kept.fetch == FetchSpec(FetchPhase.WINDOW, made.fetch.from_, made.fetch.size)
    assert kept.text in {made.text, ""}
