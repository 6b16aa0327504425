from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import HitKey, Skip, Why
from es_rerank.search.documents import documents_query
from es_rerank.search.formats.endpoints import MAX_SEARCHES, ParsedSearch
from es_rerank.search.formats.rank_eval import RankedHit, ranked, read, write
from tests.search.strategies import JSON

LONG = b"123456789012345678901234567890"
RATINGS = b'"ratings":[{"_index":"books-1","_id":"7","rating":3}]'
PLAIN = b'{"id":"hose","request":{"query":{"match":{"title":"hose"}},"size":%b},%b}' % (LONG, RATINGS)
BY_SOURCE = b'{"id":"inline","template_id":"words","params":{"w":"hose","n":1.50},%b}' % RATINGS
BY_ID = b'{ "params" : {"w":"hose"} , "template_id" : "kept" , "id":"stored", %b }' % RATINGS
TEMPLATES = (
    b'[{"id":"words","template":{"lang":"mustache","source":{"query":{"match":{"title":"{{w}}"}}}}},'
    b'{"template":{"id":"match-title"},"id":"kept"}]'
)


def spec(*requests: bytes, metric: bytes = b'{"precision":{"k":20}}', rest: bytes = b"") -> bytes:
    return b'{"requests":[%b],"metric":%b%b}' % (b",".join(requests), metric, rest)


WITH_TEMPLATES = b',"templates":%b,"max_concurrent_searches":2' % TEMPLATES


def searches(body: bytes) -> Sequence[ParsedSearch]:
    """Return the searches to be rated of a request to `/books/_rank_eval` that can be read."""
    found = read(body, "books", {"search_type": "x", "size": "3"})
    assert not isinstance(found, Skip)
    return found


def rated(body: bytes, template: bytes | None = None) -> ParsedSearch:
    """Return a search of which the metric looks at twenty hits."""
    return ParsedSearch("books", {"search_type": "x", "size": "20"}, body, template)


def test_searches_and_templates_are_read_in_their_order() -> None:
    assert searches(spec(PLAIN, BY_SOURCE, BY_ID, rest=WITH_TEMPLATES)) == [
        rated(b'{"query":{"match":{"title":"hose"}},"size":%b}' % LONG),
        rated(b"", b'{"source":{"query":{"match":{"title":"{{w}}"}}},"params":{"w":"hose","n":1.50}}'),
        rated(b"", b'{"id":"match-title","params":{"w":"hose"}}'),
    ]


@pytest.mark.parametrize(
    ("metric", "size"),
    [
        (b'{"precision":{"k":20,"relevant_rating_threshold":1,"ignore_unlabeled":false}}', 20),
        (b'{"recall":{"k":"5"}}', 5),
        (b'{"recall":{"k":1}}', 1),
        (b'{"recall":{"k":5.0}}', 5),
        (b'{"precision":{}}', 10),
        (b'{"recall":{"relevant_rating_threshold":2}}', 10),
        (b'{"mean_reciprocal_rank":{}}', 10),
        (b'{"dcg":{"normalize":true}}', 10),
        (b'{"expected_reciprocal_rank":{"maximum_relevance":3}}', 10),
        (b'{"of_a_plugin":{}}', 10),
    ],
)
def test_a_search_is_for_as_many_hits_as_the_metric_looks_at(metric: bytes, size: int) -> None:
    (search,) = searches(spec(PLAIN, metric=metric))
    assert search.params["size"] == str(size)


@pytest.mark.parametrize(
    "metric",
    [
        b"{}",
        b"[]",
        b"null",
        b'"precision"',
        b'{"precision":null}',
        b'{"precision":{"k":0}}',
        b'{"precision":{"k":-3}}',
        b'{"precision":{"k":null}}',
        b'{"precision":{"k":[]}}',
        b'{"precision":{"k":"many"}}',
        b'{"precision":{"k":"1e400"}}',
        b'{"precision":{},"recall":{}}',
    ],
)
def test_a_metric_that_the_engine_refuses_is_left_to_it(metric: bytes) -> None:
    assert read(spec(PLAIN, metric=metric), "books", {}) == Skip(Why.UNREADABLE)


@pytest.mark.parametrize(
    "request_body",
    [
        b"1",
        b'"text"',
        b'{"id":"neither","ratings":[]}',
        b'{"id":"null","request":null,"ratings":[]}',
        b'{"id":"array","request":[],"ratings":[]}',
        b'{"id":"twice","request":{"size":1,"size":2},"ratings":[]}',
        b'{"id":"twice","request":{},"request":{},"ratings":[]}',
        b'{"id":"both","request":{},"template_id":"words","ratings":[]}',
        b'{"id":"both","request":{},"params":{"w":1},"ratings":[]}',
        b'{"id":"no params","template_id":"words","ratings":[]}',
        b'{"id":"no params","template_id":"words","params":{},"ratings":[]}',
        b'{"id":"odd params","template_id":"words","params":[1],"ratings":[]}',
        b'{"id":"no template","params":{"w":1},"ratings":[]}',
        b'{"id":"unknown","template_id":"other","params":{"w":1},"ratings":[]}',
        b'{"id":"odd","template_id":["words"],"params":{"w":1},"ratings":[]}',
        b'{"id":"more than hits","request":{"aggs":{"a":{}}},"ratings":[]}',
        b'{"id":"more than hits","request":{"explain":true},"ratings":[]}',
    ],
)
def test_a_request_that_the_engine_refuses_is_left_to_it(request_body: bytes) -> None:
    assert read(spec(PLAIN, request_body, rest=WITH_TEMPLATES), "books", {}) == Skip(Why.UNREADABLE)


@pytest.mark.parametrize("extra", [b'"params":{}', b'"summary_fields":["title"]'])
def test_a_request_may_have_other_members(extra: bytes) -> None:
    body = spec(b'{"id":"q","request":{"explain":false},%b,%b}' % (extra, RATINGS))
    assert searches(body) == [rated(b'{"explain":false}')]


def test_a_request_has_at_most_a_thousand_searches() -> None:
    assert len(searches(spec(*[PLAIN] * MAX_SEARCHES))) == 1000
    assert read(spec(*[PLAIN] * (MAX_SEARCHES + 1)), "books", {}) == Skip(Why.TOO_LARGE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"requests":[]}',
        spec(),
        b'{"metric":{"recall":{}}}',
        b'{"requests":{},"metric":{"recall":{}}}',
        b'{"requests":null,"metric":{"recall":{}}}',
        spec(PLAIN, rest=b',"templates":{}'),
        spec(PLAIN, rest=b',"templates":[{"id":"t"}]'),
        spec(PLAIN, rest=b',"templates":[{"id":"t","template":{}}]'),
        spec(PLAIN, rest=b',"templates":[{"id":"t","template":"{}"}]'),
        spec(PLAIN, rest=b',"templates":[{"id":"t","template":{"id":"a","source":"b"}}]'),
        spec(PLAIN, rest=b',"templates":[{"id":1,"template":{"id":"a"}}]'),
        spec(PLAIN, rest=b',"metric":{"recall":{}}'),
        spec(b"[" * 5000 + b"]" * 5000),
    ],
)
def test_a_body_that_the_engine_refuses_is_left_to_it(body: bytes) -> None:
    assert read(body, "books", {}) == Skip(Why.UNREADABLE)


NEW = b'{"query":{"match_none":{}}}'


@pytest.mark.parametrize(
    ("body", "replaced", "expected"),
    [
        (spec(PLAIN, PLAIN), {}, spec(PLAIN, PLAIN)),
        (
            spec(PLAIN, PLAIN),
            {1: NEW},
            spec(PLAIN, b'{"id":"hose","request":%b,%b}' % (NEW, RATINGS)),
        ),
        (
            b'{ "requests" : [\n {"id":"a","request" : { } , "x":["y"]} ,\n {"request":{},"id":"b"} ] , "m":1.50}',
            {0: NEW, 1: NEW},
            b'{ "requests" : [\n {"id":"a","request" : %b , "x":["y"]} ,\n {"request":%b,"id":"b"} ] , "m":1.50}'
            % (NEW, NEW),
        ),
        (
            b'{"other":[{"request":{}}],"requests":[{"request":{}},{"request":{}}]}',
            {1: NEW},
            b'{"other":[{"request":{}}],"requests":[{"request":{}},{"request":%b}]}' % NEW,
        ),
        (
            spec(BY_SOURCE, BY_ID, rest=WITH_TEMPLATES),
            {0: NEW},
            spec(b'{"id":"inline","request":%b,%b}' % (NEW, RATINGS), BY_ID, rest=WITH_TEMPLATES),
        ),
        (
            spec(BY_SOURCE, BY_ID, rest=WITH_TEMPLATES),
            {1: NEW},
            spec(BY_SOURCE, b'{ "request":%b , "id":"stored", %b }' % (NEW, RATINGS), rest=WITH_TEMPLATES),
        ),
        (
            spec(PLAIN, BY_SOURCE, rest=WITH_TEMPLATES),
            {1: NEW},
            spec(PLAIN, b'{"id":"inline","request":%b,%b}' % (NEW, RATINGS), rest=b',"max_concurrent_searches":2'),
        ),
        (
            b'{"templates":%b, "requests":[%b]}' % (TEMPLATES, BY_SOURCE),
            {0: NEW},
            b'{"requests":[{"id":"inline","request":%b,%b}]}' % (NEW, RATINGS),
        ),
        (
            spec(PLAIN, BY_SOURCE, rest=WITH_TEMPLATES),
            {0: NEW},
            spec(b'{"id":"hose","request":%b,%b}' % (NEW, RATINGS), BY_SOURCE, rest=WITH_TEMPLATES),
        ),
        (
            spec(b'{"request":{"a":"request"},"b":{"request":{}}}'),
            {0: b"{}"},
            spec(b'{"request":{},"b":{"request":{}}}'),
        ),
    ],
)
def test_only_searches_and_templates_are_replaced(body: bytes, replaced: dict[int, bytes], expected: bytes) -> None:
    assert write(body, replaced) == expected
    assert msgspec.json.decode(expected)


def test_no_hits_are_a_query_that_matches_none() -> None:
    assert ranked([]) == b'{"query":{"match_none":{}}}'


def test_each_hit_is_a_function_with_its_score() -> None:
    hits = [RankedHit(HitKey("books-2", "7"), 1.5), RankedHit(HitKey("books-1", "7", "r"), 1.25)]
    first, second = (documents_query([hit.key]) for hit in hits)
    assert msgspec.json.decode(ranked(hits)) == {
        "query": {
            "function_score": {
                "query": {"bool": {"should": [first, second]}},
                "functions": [{"filter": first, "weight": 1.5}, {"filter": second, "weight": 1.25}],
                "score_mode": "first",
                "boost_mode": "replace",
            }
        }
    }


def weights(scores: list[float]) -> list[float]:
    hits = [RankedHit(HitKey("books", str(place)), score) for place, score in enumerate(scores)]
    functions = msgspec.json.decode(ranked(hits))["query"]["function_score"]["functions"]
    ids = [function["filter"]["bool"]["filter"][1]["ids"]["values"] for function in functions]
    assert ids == [[hit.key.id] for hit in hits]
    return [function["weight"] for function in functions]


def single(score: float) -> float:
    (found,) = struct.unpack("f", struct.pack("f", score))
    return float(found)


MAX_WEIGHT, MIN_WEIGHT = single(3.4028234663852886e38), single(1.1754943508222875e-38)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.5], [1.5]),
        ([1.75, 1.5, 0.1], [1.75, 1.5, single(0.1)]),
        ([1.0, 1.0, 1.0], [1.0, 1 - 2**-24, 1 - 2**-23]),
        ([1.5, 1.5 - 1e-12], [1.5, 1.5 - 2**-23]),
        ([0.5, 2.0, 0.25], [0.5, 0.5 - 2**-25, 0.25]),
        ([0.0], [MIN_WEIGHT]),
        ([-1.0, float("nan")], [MIN_WEIGHT * (1 + 2**-23), MIN_WEIGHT]),
        ([1.0, 0.0, 0.0], [1.0, MIN_WEIGHT * (1 + 2**-23), MIN_WEIGHT]),
        ([1e300, float("inf"), 1.0], [MAX_WEIGHT, MAX_WEIGHT - 2**104, 1.0]),
    ],
)
def test_scores_are_lowered_only_as_far_as_needed(scores: list[float], expected: list[float]) -> None:
    assert weights(scores) == expected


def test_ten_thousand_equal_scores_are_told_apart() -> None:
    found = weights([2.0] * 10_000)
    assert found[0] == 2.0
    assert found[-1] > 1.998
    assert all(one > other for one, other in pairwise(found))


@given(st.lists(st.floats(width=64) | st.sampled_from([0.0, 1.0, 3.4e38, 1e-45]), min_size=1, max_size=30))
def test_scores_always_fall_as_positive_floats_of_32_bits(scores: list[float]) -> None:
    found = weights(scores)
    assert all(one > other for one, other in pairwise(found))
    assert all(MIN_WEIGHT <= one <= MAX_WEIGHT and single(one) == one for one in found)


@given(st.lists(st.integers(1, 2**20), min_size=1, max_size=30, unique=True))
def test_scores_that_fall_already_are_unchanged(counts: list[int]) -> None:
    scores = [count / 2**16 for count in sorted(counts, reverse=True)]
    assert weights(scores) == scores


def in_any_order(members: dict[str, Any], more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    orders = st.permutations([*members, "ratings", "other"])
    return st.builds(lambda names, value: {name: members.get(name, value) for name in names}, orders, more)


REQUESTS = st.one_of(
    in_any_order({"request": {"query": {"match": {"title": "hose"}}}, "id": "a"}, JSON),
    in_any_order({"request": {}, "params": {}}, JSON),
    in_any_order({"template_id": "t", "params": {"w": 1}}, JSON),
)
SPECS = st.builds(
    lambda names, requests, other: {
        name: {"requests": requests, "metric": {"dcg": {}}, "templates": [{"id": "t", "template": {"id": "x"}}]}.get(
            name, other
        )
        for name in names
    },
    st.permutations(["requests", "metric", "templates", "other"]),
    st.lists(REQUESTS, min_size=1, max_size=4),
    JSON,
)


@given(SPECS, st.sets(st.integers(0, 5)))
def test_searches_that_were_read_can_be_replaced(value: dict[str, Any], places: set[int]) -> None:
    body = msgspec.json.encode(value)
    assert len(searches(body)) == len(value["requests"])
    new = msgspec.json.decode(write(body, dict.fromkeys(places, NEW)))
    left = False
    for place, (old, written) in enumerate(zip(value["requests"], new.pop("requests"), strict=True)):
        gone = {"template_id", "params"} if "template_id" in old else set()
        expected = {name: one for name, one in old.items() if name not in gone} | {"request": msgspec.json.decode(NEW)}
        assert written == (expected if place in places else old)
        left |= "template_id" in written
    kept = {"metric", "other", *(["templates"] if left else [])}
    assert new == {name: one for name, one in value.items() if name in kept}


ODD_SPECS = st.builds(
    lambda value, odd: {**value, **odd},
    SPECS,
    st.dictionaries(st.sampled_from(["requests", "metric", "templates", "other"]), JSON, max_size=1),
)


def test_any_bytes_are_searches_or_left_to_the_engine() -> None:
    counts: list[int] = []

    @given(ODD_SPECS.map(msgspec.json.encode) | JSON.map(msgspec.json.encode) | st.binary())
    def check(body: bytes) -> None:
        found = read(body, "books", {})
        counts.append(0 if isinstance(found, Skip) else len(found))
        assert found if not isinstance(found, Skip) else found.why is Why.UNREADABLE

    check()
    assert any(counts)
    assert 0 in counts
