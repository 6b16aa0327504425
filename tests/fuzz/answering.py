"""Invariants of engine responses: no hit is lost, scores are descending, and all other bytes are unchanged."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import accumulate, pairwise
from typing import Any, TypeVar
from zlib import crc32

import msgspec
from msgspec import Raw

from es_rerank.compat import responses
from es_rerank.jsonspan import MAX_DEPTH, decode, elements, members, members_of_each, splice
from es_rerank.model import (
    CallOptions,
    EngineReply,
    Failed,
    FetchPhase,
    FetchSpec,
    HitKey,
    IndexInfo,
    OutcomeState,
    Plan,
    PolicySpec,
    Rule,
    Scored,
    ScoreRequest,
    Search,
    Skip,
    Why,
)
from es_rerank.pipeline import (
    Ports,
    RankedWindow,
    SearchResult,
    engine_order,
    measure,
    page_result,
    rank_window,
    run,
)
from es_rerank.search.formats import async_search, multi_search, rank_eval
from es_rerank.search.response import filter_path
from es_rerank.search.response.completeness import MIN_HITS, has_expected_hits, lost_shards
from es_rerank.search.response.hits import NotASearchResponseError, SearchResponse, keys, read
from es_rerank.search.scoring import POLICIES
from tests.fuzz.inputs import Choices, parted, text
from tests.fuzz.mutate import Members, parsed
from tests.search.builders import a_plan, a_search

Value = TypeVar("Value")

INFO = IndexInfo(("docs",), {"title": "text", "body": "text"})
SPECS = (
    *(PolicySpec(name) for name in POLICIES),
    PolicySpec("linear", 0.0),
    PolicySpec("blend", 0.0),
    PolicySpec("rrf", 1.0),
)
# Members of a hit that follow from its score, and those that may be removed.
_SCORED = frozenset({"_score", "sort", "_explanation"})
_IDENTITY = frozenset({"_type", "_id", "_routing", "_ignored"})
_BODIES = (
    {"query": {"match": {"body": "hose"}}},
    {"query": {"match": {"body": "hose"}}, "highlight": {"fields": {"body": {}}}},
    {"query": {"match": {"body": "hose"}}, "_source": False},
    {"query": {"match": {"body": "hose"}}, "_source": False, "aggs": {"a": {"terms": {"field": "tag"}}}, "rescore": []},
)
# Nesting depth above which a response may not be filtered.
_CUTTABLE = 100
_FAULTS = (ValueError, LookupError, TypeError, RecursionError)
"""Exceptions for which the handlers pass a response through (es_rerank/server/handlers/compat.py)."""


def done(story: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine that never suspends."""
    try:
        story.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the coroutine suspended")


@dataclass
class World:
    """An engine with one response, and a model whose probabilities are derived from checksums."""

    answer: bytes
    rule: Rule
    whole: SearchResponse | None = None
    model: int = 0

    @property
    def ports(self) -> Ports:
        return Ports(self._about, self._fetch, self._score)

    def finish(self, plan: Plan, body: bytes) -> SearchResult:
        """Rank the window of a response, and write the client's page."""
        window = done(rank_window(plan, EngineReply(body=body), self.ports, CallOptions()))
        return page_result(window) if isinstance(window, RankedWindow) else window

    async def _about(self, _search: Search) -> tuple[Rule, IndexInfo] | Skip:
        return self.rule, INFO

    async def _fetch(self, plan: Plan) -> EngineReply:
        """Return the response with the requested hits."""
        if self.whole is None:
            return EngineReply(body=self.answer)
        array, fetch = self.whole.array, plan.fetch
        hits = [hit for hit, key in zip(self.whole.hits, keys(self.whole.hits), strict=True) if _fetched(fetch, key)]
        some = hits[fetch.from_ : fetch.from_ + fetch.size]
        new = b"[%b]" % b",".join(hit.raw for hit in some)
        return EngineReply(body=splice(self.answer, [(array.start, array.end, new)]))

    async def _score(self, ask: ScoreRequest) -> Scored | Failed:
        if self.model == 1:
            return Failed(Why.DEADLINE)
        grain = (1000, 1000, 1, 4)[self.model]
        read = [text and crc32(text.encode("utf-8", "replace")) % (grain + 1) / grain for text in ask.documents]
        return Scored(read, 0, "m")


def _fetched(fetch: FetchSpec, key: HitKey) -> bool:
    """Return whether a fetch spec selects a hit."""
    return fetch.phase is not FetchPhase.FETCH or key in fetch.only


def answers(data: bytes) -> None:
    """One response, any plan, any probabilities: the page has the right hits, each once; all else is unchanged."""
    prefix, body = parted(data, 2)
    choose = Choices(prefix)
    rule = Rule("docs", fields=("title", "body"), window=choose.number(6), policy=choose.one(SPECS))
    plan = _plan(choose, rule)
    world = World(body, rule, model=choose.number(3))
    reply = world.finish(plan, body)
    cut = engine_order(plan, EngineReply(body=body), Why.PARTIAL)
    done(measure(plan, world.ports, CallOptions()))
    try:
        envelope = read(body)
    except NotASearchResponseError:
        assert reply.body is None
        assert cut.body is None
        return
    if reply.body is None or cut.body is None:
        assert _depth(body) > MAX_DEPTH or not _is_rewritable(body), "a readable response is passed through"
        return
    for out in (reply.body, cut.body):
        _untouched(envelope, out, plan)
    hits = read(reply.body).hits
    ranked = [rank_eval.RankedHit(key, hit.score or 0.0) for key, hit in zip(keys(hits), hits, strict=True)]
    msgspec.json.decode(rank_eval.ranked(ranked))
    if reply.outcome.state is OutcomeState.RERANKED or reply.outcome.why is Why.BEYOND_WINDOW:
        _descending([hit.score for hit in envelope.hits], [hit.score for hit in hits])


def _plan(choose: Choices, rule: Rule) -> Plan:
    """Return a plan for any page, such as `plan.make` returns."""
    start, size = choose.number(6), choose.number(6)
    beyond = start >= rule.window
    return a_plan(
        start=start,
        size=size,
        fetch=FetchSpec(FetchPhase.WINDOW, start if beyond else 0, size if beyond else max(rule.window, start + size)),
        window=0 if beyond else rule.window,
        rule=rule,
        passage_fields=rule.fields,
        extra_fields=choose.one(((), (), ("body",), ("title", "comments.said", "body"))),
        client_fields=choose.one(((), ("title",), ("b*",))),
        min_score=choose.one((None, None, None, 0.5, 0.0)),
        without_stored_fields=choose.one((False, False, True)),
    )


def _untouched(envelope: SearchResponse, out: bytes, plan: Plan) -> None:
    """Check that a response differs from the engine's in its hits, their scores and `max_score` only."""
    before, after = _raws(envelope.body), _raws(out)
    assert list(before) == list(after)
    assert {**before, "hits": b""} == {**after, "hits": b""}
    changing = {"hits": b"", "max_score": b""}
    left, right = _raws(before["hits"]), _raws(after["hits"])
    assert list(left) == list(right)
    assert {**left, **changing} == {**right, **changing}
    came = Counter(_unscored(hit.raw, plan) for hit in envelope.hits)
    page_ = Counter(_unscored(raw, plan) for raw in _items(right["hits"]))
    assert page_ <= came, "a hit is not the engine's, or is there twice"
    first = plan.start - plan.fetch.from_
    wanted = len(envelope.hits[first : first + plan.size])
    assert page_.total() == wanted or (plan.min_score is not None and page_.total() < wanted), "a hit is lost"
    _readable(envelope.body, out)


def _readable(body: bytes, out: bytes) -> None:
    """Check that a response is still valid JSON."""
    try:
        decode(body)
    except (ValueError, RecursionError):
        return
    decode(out)


def _items(text: bytes) -> list[bytes]:
    """Return the bytes of each element of an array."""
    return [span.of(text) for span in elements(text)]


def _raws(text: bytes) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in decode(text, dict[str, Raw]).items()}


def _unscored(raw: bytes, plan: Plan) -> tuple[object, ...]:
    """Return the members of a hit that must not change: all but its score and the fields for the model.

    A hit with a key that is not UTF-8 is not rewritten, and must not change at all.
    """
    try:
        kept = _raws(raw)
    except UnicodeDecodeError:
        return (raw,)
    sort = kept.get("sort", b"")
    values = _items(sort)[1:] if sort.startswith(b"[") else sort
    dropped = _SCORED | (_IDENTITY if plan.without_stored_fields else frozenset())
    fields = kept.pop("fields", b"")
    return (
        tuple((name, value) for name, value in kept.items() if name not in dropped),
        tuple(values),
        _left(fields, plan),
    )


def _left(fields: bytes, plan: Plan) -> object:
    """Return `fields` without those for the model; None if it becomes empty."""
    ours = [name for name in plan.extra_fields if not any(fnmatchcase(name, one) for one in plan.client_fields)]
    if not ours or not fields.startswith(b"{"):
        return fields or None
    try:
        inner = members(fields)
    except ValueError:
        return fields  # it has duplicate members
    gone = {*ours, *(name.partition(".")[0] for name in ours)}
    return tuple((name, span.of(fields)) for name, span in inner.items() if name not in gone) or None


def _descending(engine: Sequence[float | None], shown: Sequence[float | None]) -> None:
    """Check that scores are descending where the engine's are, and that none is negative."""
    known = [one for one in engine if one is not None]
    if len(known) < len(engine) or any(one < after for one, after in pairwise(known)) or min(known, default=0.0) < 0:
        return
    found = [one for one in shown if one is not None]
    assert len(found) == len(shown), "a score is missing"
    assert all(math.isfinite(one) and one >= 0 for one in found)
    assert all(one >= after for one, after in pairwise(found)), "scores are not descending"


def _is_rewritable(body: bytes) -> bool:
    """Return whether all hits of a response can be rewritten: none has a duplicate key."""
    with suppress(ValueError):
        return bool(_rewritable(body))
    return False


def _rewritable(body: bytes) -> SearchResponse:
    """Read a response. Raises ValueError also if one of its hits cannot be rewritten."""
    response = read(body)
    members_of_each([hit.raw for hit in response.hits])
    return response


def pages(data: bytes) -> None:
    """All pages of a search, for any page size: one permutation of the engine's hits, with descending scores."""
    prefix, body = parted(data, 2)
    choose = Choices(prefix)
    window, policy, size = choose.number(5) + 2, choose.one(SPECS), choose.number(4) + 1
    rule = Rule("docs", fields=("title", "body"), window=window, policy=policy)
    search, splits, model = choose.one(_BODIES), choose.switch(), choose.one((0, 2, 3))
    try:
        whole = _rewritable(body)
    except ValueError:
        return
    scores = [hit.score for hit in whole.hits]
    names = set(keys(whole.hits))
    sorted_ = all(one is not None and one >= 0 for one in scores) and scores == sorted(scores, key=_negative)
    if not sorted_ or len(names) < len(whole.hits):
        return  # no engine returns this
    if not has_expected_hits(whole, FetchSpec(FetchPhase.WINDOW, 0, len(whole.hits) + 1)) or lost_shards(whole):
        return  # an engine without search pipelines does not return this
    world = World(body, rule, whole, model)
    raw = json.dumps(search).encode()
    options = CallOptions(two_phase=splits)
    found: list[bytes] = []
    shown: list[float | None] = []
    plan = replace(_plan(Choices(b""), rule), extra_fields=() if "_source" not in search else rule.fields)
    for start in range(0, len(whole.hits) + size, size):
        asked = a_search(raw, {"from": str(start), "size": str(size)})
        reply = done(run(asked, world.ports, options))
        if reply.body is None:
            assert _depth(body) > MAX_DEPTH or len(whole.hits) < MIN_HITS, reply.outcome
            return
        hits = read(reply.body).hits
        assert len(hits) == len(whole.hits[start : start + size])
        found += [hit.raw for hit in hits]
        shown += [hit.score for hit in hits]
    assert Counter(_unscored(raw, plan) for raw in found) == Counter(_unscored(hit.raw, plan) for hit in whole.hits)
    _descending(scores, shown)


def _depth(body: bytes) -> int:
    """Return an upper bound of the nesting depth. Parsers differ in what they accept near a thousand levels."""
    steps = ((one in b"[{") - (one in b"]}") for one in body)
    return max(accumulate(steps), default=0)


def _negative(score: float | None) -> float:
    return -(score or 0.0)


def many(data: bytes) -> None:
    """Responses of `_msearch`: each keeps its position and its bytes when another one is replaced."""
    prefix, body = parted(data, 2)
    found = multi_search.responses(body)
    if found is None:
        return
    assert found.with_responses({}) == body
    responses_ = [found.response(place) for place in range(len(found.responses))]
    if not responses_:
        return
    at = Choices(prefix).number(min(9, len(responses_) - 1))
    for place, response in enumerate(responses_):
        assert found.success(place) in (None, response)
    out = found.with_responses({at: b'{"hits":{"hits":[]}}'})
    again = multi_search.responses(out)
    assert again is not None
    assert {**_raws(out), "responses": b""} == {**_raws(body), "responses": b""}
    expected = [b'{"hits":{"hits":[]}}' if place == at else raw for place, raw in enumerate(responses_)]
    assert [again.response(place) for place in range(len(again.responses))] == expected
    _readable(body, out)


def wrapped(data: bytes) -> None:
    """Responses of asynchronous searches, and the ids that clients poll with."""
    prefix, client_id, body = parted(data, 3)
    choose = Choices(prefix)
    known = async_search.recall(text(client_id), {"docs": Rule("docs")}.get)
    found = async_search.read(body)
    if found is None:
        return
    assert async_search.write(found, None, None) == body
    plan = known[1] if known else _plan(choose, Rule("docs", window=choose.number(6)))
    inner = found.response.of(body) if found.response else None
    reply = None if inner is None else World(b"", plan.rule).finish(plan, inner)
    out = async_search.write(found, found.id and async_search.token(found.id, plan), reply and reply.body)
    again = async_search.read(out)
    assert again is not None
    assert again.final == found.final
    members_ = _raws(body)
    if found.final and "state" not in members_:
        assert (members_["is_running"], members_["is_partial"]) == (b"false", b"false")
    assert not found.final or (found.response is not None and "error" not in members_)
    changing = {"id": b"", "response": b""}
    assert {**_raws(out), **changing} == {**_raws(body), **changing}
    if found.id and "\udc80" not in found.id:
        recalled = async_search.recall(again.id or "", lambda _: plan.rule)
        assert recalled is None or recalled[0] == found.id or ".r1" in found.id
    _readable(body, out)


def filters(data: bytes) -> None:
    """`filter_path` over any object: the leaves that remain are those that the paths name."""
    prefix, expression, body = parted(data, 3)
    wanted = filter_path.paths({"filter_path": text(expression)})
    keeps_empty = Choices(prefix).switch()
    out = filter_path.cut(body, wanted, keeps_empty=keeps_empty)
    if not wanted:
        assert out == body
        return
    if out is None:
        assert not _clean(body), "the body could have been filtered"
        return
    try:
        before = decode(body)
    except (ValueError, RecursionError):
        return
    after = decode(out)
    if not isinstance(before, dict):
        assert out == body
        return
    expected = [leaf for leaf in _leaves(before) if _kept(leaf[0], wanted)]
    assert sorted(map(repr, _leaves(after))) == sorted(map(repr, expected))
    again = filter_path.cut(out, wanted, keeps_empty=keeps_empty)
    assert again == out


def _clean(body: bytes) -> bool:
    """Return whether a body is JSON of moderate depth without duplicate members."""
    try:
        pending = [(parsed(body), 0)]
    except (ValueError, RecursionError):
        return False
    while pending:
        one, depth = pending.pop()
        names = [name for name, _ in one] if isinstance(one, Members) else []
        if depth > _CUTTABLE or len(set(names)) < len(names) or any(map(_lone, [one, *names])):
            return False
        if isinstance(one, list):
            pending += [(pair[1] if isinstance(one, Members) else pair, depth + 1) for pair in one]
    return True


def _lone(value: object) -> bool:
    """Return whether a text has a lone surrogate, which msgspec rejects."""
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)


def _leaves(value: object) -> list[tuple[tuple[str, ...], object]]:
    """List all scalars, each with the names of its parents."""
    found = []
    pending: list[tuple[tuple[str, ...], object]] = [((), value)]
    while pending:
        path, one = pending.pop()
        if isinstance(one, dict):
            pending += [((*path, name), inner) for name, inner in one.items()]
        elif isinstance(one, list):
            pending += [(path, inner) for inner in one]
        else:
            found.append((path, one))
    return found


def _kept(path: tuple[str, ...], wanted: filter_path.Filter) -> bool:
    named = not wanted.included or any(_names(one, path) for one in wanted.included)
    return named and not any(_names(one, path) for one in wanted.excluded)


def _names(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Return whether a pattern matches a path or a parent of it; `**` matches one or more levels."""
    reached = {0}
    for name in path:
        if len(pattern) in reached:
            return True
        reached = {
            to
            for at in reached
            for to in (at, at + 1)
            if (to > at or pattern[at] == "**") and fnmatchcase(name, pattern[at])
        }
    return len(pattern) in reached


_SHOWN: Sequence[Callable[[bytes], bytes]] = (
    lambda body: responses.emulated_root(body, "8.19.0"),
    lambda body: responses.with_node_address(body, "127.0.0.1:9280"),
    responses.from_opensearch_open_pit,
    responses.to_opensearch_close_pit,
    responses.from_opensearch_close_pit,
)


def presented(data: bytes) -> None:
    """Responses that compat rewrites: rewritten, or passed through for one of the known exceptions."""
    (body,) = parted(data, 1)
    assert isinstance(responses.distribution(body), str)
    named = responses.root_response(body, "8.19.0")
    assert named is None or msgspec.json.decode(named)["tagline"]
    for show in _SHOWN:
        try:
            out = show(body)
        except _FAULTS:
            continue
        _readable(body, out)
