"""Promises about what the engine answers: no hit is lost, scores fall, and all other bytes leave as they came."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import accumulate, pairwise
from typing import Any, TypeVar
from zlib import crc32

import msgspec
from msgspec import Raw

from es_rerank.compat import responses
from es_rerank.jsonspan import elements, members, splice
from es_rerank.model import Failed, IndexInfo, Plan, PolicySpec, Rule, Scored, ScoreRequest, Search, Skip, Why
from es_rerank.pipeline import Effects, finish, measure, page, run
from es_rerank.search.formats import async_search, multi_search, rank_eval
from es_rerank.search.response import filter_path
from es_rerank.search.response.hits import NotASearchResponseError, SearchResponse, read
from es_rerank.search.scoring import POLICIES
from tests.fuzz.inputs import Knobs, parted, text
from tests.fuzz.mutate import Members, parsed

Value = TypeVar("Value")

INFO = IndexInfo(("docs",), {"title": "text", "body": "text"})
SPECS = (*(PolicySpec(name) for name in POLICIES), PolicySpec("linear", 0.0), PolicySpec("rrf", 1.0))
# Members of a hit that say its score, and those that may be taken out of it.
_SCORED = frozenset({"_score", "sort", "_explanation"})
_IDENTITY = frozenset({"_type", "_id", "_routing", "_ignored"})
_BODIES = (
    {"query": {"match": {"body": "hose"}}},
    {"query": {"match": {"body": "hose"}}, "highlight": {"fields": {"body": {}}}},
    {"query": {"match": {"body": "hose"}}, "_source": False},
    {"query": {"match": {"body": "hose"}}, "_source": False, "aggs": {"a": {"terms": {"field": "tag"}}}, "rescore": []},
)
# Levels from which on an answer may be left alone, and may not be cut.
_DEEP, _CUTTABLE = 400, 100
_FAULTS = (ValueError, LookupError, TypeError, RecursionError)
"""What the flows take for an answer that is not theirs to word (es_rerank/server/handlers/compat.py)."""


def done(story: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine that waits for nothing."""
    try:
        story.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


@dataclass
class World:
    """An engine with an answer, and a model that finds a text as probable as its checksum says."""

    answer: bytes
    rule: Rule
    whole: SearchResponse | None = None
    model: int = 0

    def effects(self, *, splits: bool = True) -> Effects:
        return Effects(self._about, self._fetch, self._score, lambda _: 1.0, splits)

    async def _about(self, _search: Search) -> tuple[Rule, IndexInfo] | Skip:
        return self.rule, INFO

    async def _fetch(self, plan: Plan) -> bytes | None:
        """Answer with the hits that are asked for."""
        if self.whole is None:
            return self.answer
        array = self.whole.array
        hits = [hit for hit in self.whole.hits if plan.only is None or hit.name in plan.only]
        some = hits[plan.fetch_from : plan.fetch_from + plan.fetch_size]
        return splice(self.answer, [(array.start, array.end, b"[%b]" % b",".join(hit.raw for hit in some))])

    async def _score(self, ask: ScoreRequest) -> Scored | Failed:
        if self.model == 1:
            return Failed(Why.DEADLINE)
        grain = (1000, 1000, 1, 4)[self.model]
        read = [text and crc32(text.encode("utf-8", "replace")) % (grain + 1) / grain for text in ask.documents]
        return Scored(read, 0, "m")


def answers(data: bytes) -> None:
    """One answer, any plan, any probabilities: the page holds the hits it must, each once; all else is untouched."""
    knobs, body = parted(data, 2)
    turn = Knobs(knobs)
    rule = Rule("docs", fields=("title", "body"), window=turn.number(6), policy=turn.one(SPECS))
    plan = _plan(turn, rule)
    world = World(body, rule, model=turn.number(3))
    reply = done(finish(plan, body, world.effects()))
    cut = page(plan, body, Why.PARTIAL)
    done(measure(plan, world.effects()))
    try:
        envelope = read(body)
    except NotASearchResponseError:
        assert reply.body is None
        assert cut.body is None
        return
    if reply.body is None or cut.body is None:
        assert _depth(body) > _DEEP, "an answer is left alone that could be read"
        return
    for out in (reply.body, cut.body):
        _untouched(envelope, out, plan)
    hits = read(reply.body).hits
    msgspec.json.decode(rank_eval.ranked([rank_eval.Ranked(hit.index, hit.id, hit.score or 0.0) for hit in hits]))
    if reply.outcome.state == "reranked" or reply.outcome.why is Why.BEYOND_WINDOW:
        _falling([hit.score for hit in envelope.hits], [hit.score for hit in hits])


def _plan(turn: Knobs, rule: Rule) -> Plan:
    """Make a plan as `plan.make` could, for any page."""
    start, size = turn.number(6), turn.number(6)
    beyond = start >= rule.window
    return Plan(
        text="hose",
        start=start,
        size=size,
        fetch_from=start if beyond else 0,
        fetch_size=size if beyond else max(rule.window, start + size),
        window=0 if beyond else rule.window,
        rule=rule,
        passage_fields=rule.fields,
        extra_fields=turn.one(((), (), ("body",), ("title", "comments.said", "body"))),
        asked_fields=turn.one(((), ("title",), ("b*",))),
        min_score=turn.one((None, None, None, 0.5, 0.0)),
        bare=turn.one((False, False, True)),
    )


def _untouched(envelope: SearchResponse, out: bytes, plan: Plan) -> None:
    """Compare an answer with the engine's: nothing differs but hits, their scores, and the greatest of them."""
    before, after = _raws(envelope.body), _raws(out)
    assert list(before) == list(after)
    assert {**before, "hits": b""} == {**after, "hits": b""}
    changing = {"hits": b"", "max_score": b""}
    left, right = _raws(before["hits"]), _raws(after["hits"])
    assert list(left) == list(right)
    assert {**left, **changing} == {**right, **changing}
    came = Counter(_bones(hit.raw, plan) for hit in envelope.hits)
    page_ = Counter(_bones(raw, plan) for raw in elements(right["hits"]))
    assert page_ <= came, "a hit is invented, or there twice"
    first = plan.start - plan.fetch_from
    wanted = len(envelope.hits[first : first + plan.size])
    assert page_.total() == wanted or (plan.min_score is not None and page_.total() < wanted), "a hit is lost"
    _readable(envelope.body, out)


def _readable(body: bytes, out: bytes) -> None:
    """What could be read before can be read after."""
    try:
        msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return
    msgspec.json.decode(out)


def _raws(text: bytes) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in msgspec.json.decode(text, type=dict[str, Raw]).items()}


def _bones(raw: bytes, plan: Plan) -> tuple[object, ...]:
    """Give what a hit keeps on its way: all but its score, and what is asked for the model alone."""
    kept = _raws(raw)
    sort = kept.get("sort", b"")
    values = elements(sort)[1:] if sort.startswith(b"[") else sort
    dropped = _SCORED | (_IDENTITY if plan.bare else frozenset())
    fields = kept.pop("fields", b"")
    return (
        tuple((name, value) for name, value in kept.items() if name not in dropped),
        tuple(values),
        _left(fields, plan),
    )


def _left(fields: bytes, plan: Plan) -> object:
    """Give what is left of `fields` where the model's own go; an object that becomes empty goes."""
    ours = [name for name in plan.extra_fields if not any(fnmatchcase(name, one) for one in plan.asked_fields)]
    if not ours or not fields.startswith(b"{"):
        return fields or None
    try:
        inner = members(fields)
    except ValueError:
        return fields  # it says a thing twice
    gone = {*ours, *(name.partition(".")[0] for name in ours)}
    return tuple((name, span.of(fields)) for name, span in inner.items() if name not in gone) or None


def _falling(engine: Sequence[float | None], shown: Sequence[float | None]) -> None:
    """Scores fall where those of the engine do, and none is less than nothing."""
    known = [one for one in engine if one is not None]
    if len(known) < len(engine) or any(one < after for one, after in pairwise(known)) or min(known, default=0.0) < 0:
        return
    found = [one for one in shown if one is not None]
    assert len(found) == len(shown), "a score is gone"
    assert all(math.isfinite(one) and one >= 0 for one in found)
    assert all(one >= after for one, after in pairwise(found)), "scores rise"


def pages(data: bytes) -> None:
    """All pages of a search, whatever their size: together one permutation of the engine's hits, scores falling."""
    knobs, body = parted(data, 2)
    turn = Knobs(knobs)
    window, policy, size = turn.number(5) + 2, turn.one(SPECS), turn.number(4) + 1
    rule = Rule("docs", fields=("title", "body"), window=window, policy=policy)
    search, splits, model = turn.one(_BODIES), turn.switch(), turn.one((0, 2, 3))
    try:
        whole = read(body)
    except NotASearchResponseError:
        return
    scores = [hit.score for hit in whole.hits]
    names = {hit.name for hit in whole.hits}
    sorted_ = all(one is not None and one >= 0 for one in scores) and scores == sorted(scores, key=_negative)
    if not sorted_ or len(names) < len(whole.hits):
        return  # no engine answers so
    world = World(body, rule, whole, model)
    raw = json.dumps(search).encode()
    found: list[bytes] = []
    shown: list[float | None] = []
    plan = replace(_plan(Knobs(b""), rule), extra_fields=() if "_source" not in search else rule.fields)
    for start in range(0, len(whole.hits) + size, size):
        asked = Search("docs", {"from": str(start), "size": str(size)}, search, raw)
        reply = done(run(asked, world.effects(splits=splits)))
        if reply.body is None:
            assert _depth(body) > _DEEP, reply.outcome
            return
        hits = read(reply.body).hits
        assert len(hits) == len(whole.hits[start : start + size])
        found += [hit.raw for hit in hits]
        shown += [hit.score for hit in hits]
    assert Counter(_bones(raw, plan) for raw in found) == Counter(_bones(hit.raw, plan) for hit in whole.hits)
    _falling(scores, shown)


def _depth(body: bytes) -> int:
    """Count levels, rather too many: texts are read over. Near a thousand it depends on the reader what is too deep."""
    steps = ((one in b"[{") - (one in b"]}") for one in body)
    return max(accumulate(steps), default=0)


def _negative(score: float | None) -> float:
    return -(score or 0.0)


def many(data: bytes) -> None:
    """Answers with many searches: each keeps its place and its bytes, whatever stands in the place of another."""
    knobs, body = parted(data, 2)
    found = multi_search.responses(body)
    if found is None:
        return
    assert found.joined({}) == body
    at = Knobs(knobs).number(max(0, min(9, len(found.elements) - 1)))
    for place in range(len(found.elements)):
        whole = found.whole(place)
        assert whole in (None, found.elements[place])
    out = found.joined({at: b'{"hits":{"hits":[]}}'})
    again = multi_search.responses(out)
    assert again is not None
    assert {**_raws(out), "responses": b""} == {**_raws(body), "responses": b""}
    expected = [b'{"hits":{"hits":[]}}' if place == at else raw for place, raw in enumerate(found.elements)]
    assert list(again.elements) == expected
    _readable(body, out)


def wrapped(data: bytes) -> None:
    """Answers of asynchronous searches, and the ids that clients poll with."""
    knobs, client_id, body = parted(data, 3)
    turn = Knobs(knobs)
    known = async_search.recall(text(client_id), {"docs": Rule("docs")}.get)
    found = async_search.read(body)
    if found is None:
        return
    assert async_search.write(found, None, None) == body
    plan = known[1] if known else _plan(turn, Rule("docs", window=turn.number(6)))
    inner = found.response.of(body) if found.response else None
    reply = None if inner is None else done(finish(plan, inner, World(b"", plan.rule).effects()))
    out = async_search.write(found, found.id and async_search.token(found.id, plan), reply and reply.body)
    again = async_search.read(out)
    assert again is not None
    assert again.final == found.final
    said = _raws(body)
    if found.final and "state" not in said:
        assert (said["is_running"], said["is_partial"]) == (b"false", b"false")
    assert not found.final or (found.response is not None and "error" not in said)
    changing = {"id": b"", "response": b""}
    assert {**_raws(out), **changing} == {**_raws(body), **changing}
    if found.id and "\udc80" not in found.id:
        recalled = async_search.recall(again.id or "", lambda _: plan.rule)
        assert recalled is None or recalled[0] == found.id or ".r1" in found.id
    _readable(body, out)


def filters(data: bytes) -> None:
    """`filter_path` over any object: what is left is what the paths name, as a reading of them leaf by leaf says."""
    knobs, expression, body = parted(data, 3)
    wanted = filter_path.paths({"filter_path": text(expression)})
    keeps_empty = Knobs(knobs).switch()
    out = filter_path.cut(body, wanted, keeps_empty=keeps_empty)
    if not wanted:
        assert out == body
        return
    if out is None:
        assert not _clean(body), "it could have been cut"
        return
    try:
        before = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return
    after = msgspec.json.decode(out)
    if not isinstance(before, dict):
        assert out == body
        return
    expected = [leaf for leaf in _leaves(before) if _kept(leaf[0], wanted)]
    assert sorted(map(repr, _leaves(after))) == sorted(map(repr, expected))
    again = filter_path.cut(out, wanted, keeps_empty=keeps_empty)
    assert again == out


def _clean(body: bytes) -> bool:
    """Tell whether a body is JSON of moderate depth that says nothing twice."""
    try:
        waiting = [(parsed(body), 0)]
    except (ValueError, RecursionError):
        return False
    while waiting:
        one, depth = waiting.pop()
        names = [name for name, _ in one] if isinstance(one, Members) else []
        if depth > _CUTTABLE or len(set(names)) < len(names) or any(map(_lone, [one, *names])):
            return False
        if isinstance(one, list):
            waiting += [(pair[1] if isinstance(one, Members) else pair, depth + 1) for pair in one]
    return True


def _lone(value: object) -> bool:
    """Tell whether a text holds half a character, which msgspec takes for no text."""
    return isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value)


def _leaves(value: object) -> list[tuple[tuple[str, ...], object]]:
    """List what is neither object nor array, each with the names above it."""
    found = []
    waiting: list[tuple[tuple[str, ...], object]] = [((), value)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, dict):
            waiting += [((*path, name), inner) for name, inner in one.items()]
        elif isinstance(one, list):
            waiting += [(path, inner) for inner in one]
        else:
            found.append((path, one))
    return found


def _kept(path: tuple[str, ...], wanted: filter_path.Filter) -> bool:
    named = not wanted.included or any(_names(one, path) for one in wanted.included)
    return named and not any(_names(one, path) for one in wanted.excluded)


def _names(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Tell whether a pattern names a place or one above it: all its names in order, `**` one level or more."""
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
    """What an engine says of itself: shown in other words, or left to it by a fault that the flows know."""
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
