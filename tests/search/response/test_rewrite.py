from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from es_rerank.model import Plan, PolicySpec, Rule
from es_rerank.search.response.hits import read
from es_rerank.search.response.rewrite import rewrite, splice
from es_rerank.search.scoring import POLICIES, Ranking, rank
from tests.search.answers import Answer, answers

PLAN = Plan("hose", 0, 10, 0, 50, 50, Rule("docs"), ("secret",))


def answer(*hits: str, most: str = "9.0", between: str = ",") -> bytes:
    return f'{{"took":1,"hits":{{"max_score":{most},"hits":[{between.join(hits)}]}}}}'.encode()


def hits(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(body)["hits"]["hits"]
    return found


SWAPPED = Ranking((1, 0), (1.75, 1.5))


def test_order_and_scores_change_and_nothing_else() -> None:
    body = answer('{"_id":"1","_score":9.0,"n":1e2}', '{"_id":"2", "_score":8.0}')
    assert rewrite(read(body), PLAN, SWAPPED) == (
        b'{"took":1,"hits":{"max_score":1.75,"hits":[{"_id":"2", "_score":1.75},{"_id":"1","_score":1.5,"n":1e2}]}}'
    )


def test_white_space_between_hits_stays_where_it_is() -> None:
    body = b'{"hits" : { "hits" : [\n    {"_score":2},\n    {"_score":1}\n  ] } }\n'
    expected = b'{"hits" : { "hits" : [\n    {"_score":1.75},\n    {"_score":1.5}\n  ] } }\n'
    assert rewrite(read(body), PLAN, SWAPPED) == expected
    assert rewrite(read(body), replace(PLAN, start=1, size=1), SWAPPED) == (
        b'{"hits" : { "hits" : [\n    {"_score":1.5}\n  ] } }\n'
    )


@pytest.mark.parametrize(("opening", "expected"), [("", b"[]"), ("\n  ", b"[ ]")])
def test_an_empty_page_looks_as_the_engine_writes_it(opening: str, expected: bytes) -> None:
    body = b'{"hits":{"hits":[' + opening.encode() + b'{"_score":2}]}}'
    assert rewrite(read(body), replace(PLAN, start=5), Ranking((0,), (1.5,))) == (
        b'{"hits":{"hits":' + expected + b"}}"
    )


def test_without_a_ranking_the_engines_order_is_cut_to_the_page() -> None:
    body = answer('{"_id":"1","_score":9.0}', '{"_id":"2","_score":8.0}', '{"_id":"3","_score":7.0}')
    out = rewrite(read(body), replace(PLAN, start=1, size=1), None)
    assert hits(out) == [{"_id": "2", "_score": 8.0}]
    assert b'"max_score":9.0' in out


@pytest.mark.parametrize(
    ("hit", "expected"),
    [
        ('{"_id":"1","_score":9.0,"sort":[9.0,"x"]}', '{"_id":"1","_score":1.5,"sort":[1.5,"x"]}'),
        ('{"_id":"1","_score":9.0,"sort":[ 9 ]}', '{"_id":"1","_score":1.5,"sort":[ 1.5 ]}'),
        ('{"_id":"1","_score":9.0,"sort":[]}', '{"_id":"1","_score":1.5,"sort":[]}'),
        ('{"_id":"1","_score":9.0,"sort":null}', '{"_id":"1","_score":1.5,"sort":null}'),
        ('{"_id":"1","_score":null}', '{"_id":"1","_score":null}'),
        ('{"_id":"1"}', '{"_id":"1"}'),
    ],
)
def test_one_hit(hit: str, expected: str) -> None:
    out = rewrite(read(answer(hit, '{"_score":8}')), PLAN, Ranking((0, 1), (1.5, 1.25)))
    assert out == answer(expected, '{"_score":1.25}', most="1.5")


def test_an_explanation_gets_a_node_on_top_of_the_engines_tree() -> None:
    body = answer('{"_id":"1","_score":9.0,"_explanation":{"value":9.0,"description":"sum","details":[]}}')
    out = hits(rewrite(read(body), PLAN, Ranking((0,), (1.5,))))[0]["_explanation"]
    assert (out["value"], out["details"]) == (1.5, [{"value": 9.0, "description": "sum", "details": []}])
    assert "replace" in out["description"]


@pytest.mark.parametrize(
    ("asked", "fields", "expected"),
    [
        ((), '{"secret":["x"]}', None),
        ((), '{"pk":["1"],"secret":["x"]}', '{"pk":["1"]}'),
        (("secret",), '{"secret":["x"]}', '{"secret":["x"]}'),
        (("s*",), '{"secret":["x"]}', '{"secret":["x"]}'),
        ((), "null", "null"),
        ((), "[]", "[]"),
        ((), '{"secret":["x"],"secret":["y"]}', '{"secret":["x"],"secret":["y"]}'),
    ],
)
def test_fields_that_were_only_for_us_are_taken_out(asked: tuple[str, ...], fields: str, expected: str | None) -> None:
    body = answer(f'{{"_id":"1","_score":9.0,"fields":{fields}}}')
    out = rewrite(read(body), replace(PLAN, extra_fields=("secret",), asked_fields=asked), None)
    left = f',"fields":{expected}' if expected else ""
    assert out == answer(f'{{"_id":"1","_score":9.0{left}}}')


def test_fields_that_stand_first_are_emptied() -> None:
    body = answer('{"fields":{"secret":["x"]},"_id":"1"}')
    out = rewrite(read(body), replace(PLAN, extra_fields=("secret",)), None)
    assert out == answer('{"fields":{},"_id":"1"}')


@pytest.mark.parametrize(
    ("window", "most", "expected"), [(50, "9.0", 1.5), (0, "10.0", 0.5), (50, "null", None), (0, "[1]", [1])]
)
def test_max_score(window: int, most: str, expected: Any) -> None:
    body = answer('{"_score":9.0}', most=most)
    out = rewrite(read(body), replace(PLAN, window=window), Ranking((0,), (1.5,)))
    assert json.loads(out)["hits"]["max_score"] == expected


def test_a_maximum_that_no_float_holds_stays() -> None:
    body = answer('{"_score":9.0}', most="1e309")
    assert b'"max_score":1e309' in rewrite(read(body), PLAN, Ranking((0,), (1.5,)))


def test_hits_without_ids_lose_those_that_were_only_for_us() -> None:
    body = answer('{"_index":"docs","_type":"_doc","_id":"1","_score":9.0,"fields":{"secret":["x"]}}')
    out = rewrite(read(body), replace(PLAN, bare=True, extra_fields=("secret",)), Ranking((0,), (1.5,)))
    assert out == answer('{"_index":"docs","_score":1.5}', most="1.5")


def test_hits_that_are_left_out_leave_no_score_behind() -> None:
    assert rewrite(read(answer('{"_score":9.0}')), PLAN, Ranking((), ())) == answer(most="null")


def test_a_score_of_none_is_the_engines_own() -> None:
    body = answer('{"_id":"1","_score":1.7014122E38}', '{"_id":"2","_score":8.0}', most="1.7014122E38")
    out = rewrite(read(body), PLAN, Ranking((0, 1), (None, 1.5)))
    assert out == answer('{"_id":"1","_score":1.7014122E38}', '{"_id":"2","_score":1.5}', most="1.7014122E38")


def test_splice() -> None:
    assert splice(b"abcdef", [(4, 5, b"EE"), (0, 1, b""), (2, 2, b"+")]) == b"b+cdEEf"


def apart(text: bytes) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in msgspec.json.decode(text, type=dict[str, Raw]).items()}


@given(answers(), st.lists(st.none() | st.floats(0, 1), max_size=5), st.sampled_from(list(POLICIES)), st.data())
def test_all_other_bytes_leave_as_they_came(
    given_answer: Answer, model: list[float | None], policy: str, data: st.DataObject
) -> None:
    rule = Rule("docs", policy=PolicySpec(policy))
    start = data.draw(st.integers(0, 6))
    plan = replace(PLAN, start=start, size=data.draw(st.integers(0, 6)), rule=rule, extra_fields=("secret",))
    envelope = read(given_answer.text)
    ranking = rank(rule.policy, given_answer.scores, model[: len(envelope.hits)])
    out = rewrite(envelope, plan, data.draw(st.sampled_from([ranking, None])))

    changing = {"_score", "sort", "_explanation", "fields"}
    left, right = apart(given_answer.text), apart(out)
    assert {**left, "hits": b""} == {**right, "hits": b""}
    assert list(left) == list(right)
    inner = {name: value for name, value in apart(right["hits"]).items() if name not in {"hits", "max_score"}}
    assert inner.items() <= apart(left["hits"]).items()
    came = {read_id(hit): apart(hit) for hit in given_answer.hits}
    page = [bytes(raw) for raw in msgspec.json.decode(apart(right["hits"])["hits"], type=list[Raw])]
    assert len(page) == len(range(*slice(start, start + plan.size).indices(len(came))))
    for hit in page:
        before, after = came[read_id(hit)], apart(hit)
        assert {name: value for name, value in before.items() if name not in changing} == {
            name: value for name, value in after.items() if name not in changing
        }
        assert "secret" not in json.loads(after.get("fields", b"{}"))
        kept = {name: value for name, value in apart(before.get("fields", b"{}")).items() if name != "secret"}
        assert apart(after.get("fields", b"{}")) == kept
    json.loads(out)


def read_id(hit: bytes) -> str:
    return str(json.loads(hit)["_id"])
