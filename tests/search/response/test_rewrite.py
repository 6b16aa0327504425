from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from es_rerank.jsonspan import splice
from es_rerank.model import FetchPhase, FetchSpec, Plan, PolicySpec, Rule
from es_rerank.search.response.hits import read
from es_rerank.search.response.rewrite import page_keys, rejoin, rewrite
from es_rerank.search.scoring import POLICIES, Ranking, rank
from tests.search.answers import Answer, answers
from tests.search.builders import a_plan

PLAN = a_plan(passage_fields=("secret",))


def answer(*hits: str, most: str = "9.0", between: str = ",") -> bytes:
    return f'{{"took":1,"hits":{{"max_score":{most},"hits":[{between.join(hits)}]}}}}'.encode()


def hits(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(body)["hits"]["hits"]
    return found


SWAPPED = Ranking((1, 0), (1.75, 1.5))


def test_only_order_and_scores_change() -> None:
    body = answer('{"_id":"1","_score":9.0,"n":1e2}', '{"_id":"2", "_score":8.0}')
    assert rewrite(read(body), PLAN, SWAPPED) == (
        b'{"took":1,"hits":{"max_score":1.75,"hits":[{"_id":"2", "_score":1.75},{"_id":"1","_score":1.5,"n":1e2}]}}'
    )


def test_white_space_between_hits_is_unchanged() -> None:
    body = b'{"hits" : { "hits" : [\n    {"_score":2},\n    {"_score":1}\n  ] } }\n'
    expected = b'{"hits" : { "hits" : [\n    {"_score":1.75},\n    {"_score":1.5}\n  ] } }\n'
    assert rewrite(read(body), PLAN, SWAPPED) == expected
    assert rewrite(read(body), replace(PLAN, start=1, size=1), SWAPPED) == (
        b'{"hits" : { "hits" : [\n    {"_score":1.5}\n  ] } }\n'
    )


@pytest.mark.parametrize(("opening", "expected"), [("", b"[]"), ("\n  ", b"[ ]")])
def test_an_empty_page_has_the_engines_form(opening: str, expected: bytes) -> None:
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
def test_score_and_sort_value_of_a_hit_are_replaced(hit: str, expected: str) -> None:
    out = rewrite(read(answer(hit, '{"_score":8}')), PLAN, Ranking((0, 1), (1.5, 1.25)))
    assert out == answer(expected, '{"_score":1.25}', most="1.5")


def test_an_explanation_gets_a_node_on_top_of_the_engines_tree() -> None:
    body = answer('{"_id":"1","_score":9.0,"_explanation":{"value":9.0,"description":"sum","details":[]}}')
    out = hits(rewrite(read(body), PLAN, Ranking((0,), (1.5,))))[0]["_explanation"]
    assert (out["value"], out["details"]) == (1.5, [{"value": 9.0, "description": "sum", "details": []}])
    assert "replace" in out["description"]


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (1.5, "1.5"),
        (0.001, "0.001"),
        (0.00012, "1.2E-4"),
        (1e-9, "1.0E-9"),
        (9999999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (12345678.0, "1.2345678E7"),
        (-12345678.0, "-1.2345678E7"),
        (0.0, "0.0"),
    ],
)
def test_a_score_is_written_as_java_does(score: float, text: str) -> None:
    out = rewrite(read(answer('{"_id":"1","_score":9.0}')), PLAN, Ranking((0,), (score,)))
    assert out == answer(f'{{"_id":"1","_score":{text}}}', most=text)


def test_an_explanation_is_indented_like_the_response() -> None:
    body = b"""{
  "hits" : {
    "hits" : [
      {
        "_score" : 9.0,
        "_explanation" : {
          "value" : 9.0,
          "details" : [ ]
        }
      }
    ]
  }
}"""
    assert (
        rewrite(read(body), PLAN, Ranking((0,), (1.5,)))
        == b"""{
  "hits" : {
    "hits" : [
      {
        "_score" : 1.5,
        "_explanation" : {
          "value" : 1.5,
          "description" : "es-rerank, policy replace over the engine's score below",
          "details" : [
            {
              "value" : 9.0,
              "details" : [ ]
            }
          ]
        }
      }
    ]
  }
}"""
    )


@pytest.mark.parametrize(
    ("client_fields", "fields", "expected"),
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
def test_extra_fields_are_removed(client_fields: tuple[str, ...], fields: str, expected: str | None) -> None:
    body = answer(f'{{"_id":"1","_score":9.0,"fields":{fields}}}')
    out = rewrite(read(body), replace(PLAN, extra_fields=("secret",), client_fields=client_fields), None)
    left = f',"fields":{expected}' if expected else ""
    assert out == answer(f'{{"_id":"1","_score":9.0{left}}}')


def test_nested_fields_that_the_client_requested_are_not_removed() -> None:
    body = answer('{"_id":"1","fields":{"comments":[{"text":["x"]}]}}')
    plan = replace(PLAN, extra_fields=("comments.text",), client_fields=("comments.*",))
    assert rewrite(read(body), plan, None) == body


@pytest.mark.parametrize(
    ("window", "most", "expected"), [(50, "9.0", 1.5), (0, "10.0", 0.5), (50, "null", None), (0, "[1]", [1])]
)
def test_max_score_follows_the_first_hit_or_the_tail(window: int, most: str, expected: Any) -> None:
    body = answer('{"_score":9.0}', most=most)
    out = rewrite(read(body), replace(PLAN, window=window), Ranking((0,), (1.5,)))
    assert json.loads(out)["hits"]["max_score"] == expected


def test_a_maximum_that_no_float_can_hold_is_unchanged() -> None:
    body = answer('{"_score":9.0}', most="1e309")
    assert b'"max_score":1e309' in rewrite(read(body), PLAN, Ranking((0,), (1.5,)))


def test_hits_without_stored_fields_lose_their_id_and_extra_fields() -> None:
    body = answer('{"_index":"docs","_type":"_doc","_id":"1","_score":9.0,"fields":{"secret":["x"]}}')
    out = rewrite(
        read(body), replace(PLAN, without_stored_fields=True, extra_fields=("secret",)), Ranking((0,), (1.5,))
    )
    assert out == answer('{"_index":"docs","_score":1.5}', most="1.5")


def test_a_page_of_hits_that_are_all_left_out_has_no_max_score() -> None:
    assert rewrite(read(answer('{"_score":9.0}')), PLAN, Ranking((), ())) == answer(most="null")


def test_a_score_of_none_keeps_the_engines() -> None:
    body = answer('{"_id":"1","_score":1.7014122E38}', '{"_id":"2","_score":8.0}', most="1.7014122E38")
    out = rewrite(read(body), PLAN, Ranking((0, 1), (None, 1.5)))
    assert out == answer('{"_id":"1","_score":1.7014122E38}', '{"_id":"2","_score":1.5}', most="1.7014122E38")


QUERY_PHASE = replace(PLAN, size=2, fetch=FetchSpec(FetchPhase.QUERY, 0, 50))
WINDOW = answer(
    '{"_index":"a","_id":"1","_score":9.0}',
    '{"_index":"b","_id":"1","_score":8.0}',
    '{"_index":"a","_id":"2","_score":7.0}',
)
LAST_FIRST = Ranking((2, 1, 0), (1.75, 1.5, 1.25))


def test_the_keys_of_a_page_are_in_the_new_order() -> None:
    assert page_keys(read(WINDOW), QUERY_PHASE, LAST_FIRST) == (("a", "2", ""), ("b", "1", ""))
    assert page_keys(read(WINDOW), replace(QUERY_PHASE, start=1), None) == (("b", "1", ""), ("a", "2", ""))


def test_both_phases_are_joined_to_one_page() -> None:
    query = WINDOW.replace(b'"max_score"', b'"total":{"value":3},"max_score"')
    fetch = (
        b'{"took":2,"hits":{"total":{"value":2},"max_score":8.0,"hits":['
        b'{"_index":"b","_id":"1","_score":8.0,"highlight":{"t":["x"]}},{"_index":"a","_id":"2","_score":7.0,"n":1e2}'
        b']},"aggregations":{}}'
    )
    assert rejoin(read(query), read(fetch), QUERY_PHASE, LAST_FIRST) == (
        b'{"took":2,"hits":{"total":{"value":3},"max_score":1.75,"hits":['
        b'{"_index":"a","_id":"2","_score":1.75,"n":1e2},{"_index":"b","_id":"1","_score":1.5,"highlight":{"t":["x"]}}'
        b']},"aggregations":{}}'
    )


def test_if_the_index_changes_between_the_phases_hits_in_the_engines_order_keep_the_scores_that_order_them() -> None:
    changed = answer('{"_index":"b","_id":"1","_score":11.0,"sort":[11.0]}', '{"_index":"a","_id":"1","_score":10.0}')
    assert rejoin(read(WINDOW), read(changed), QUERY_PHASE, None) == answer(
        '{"_index":"a","_id":"1","_score":9.0}', '{"_index":"b","_id":"1","_score":8.0,"sort":[8.0]}'
    )


@pytest.mark.parametrize("phase", ["query", "fetch", "none"])
def test_a_total_is_replaced_only_if_both_phases_have_one(phase: str) -> None:
    total = {phase: '"total":{"value":3},'}
    head = f'{{"hits":{{{total.get("fetch", "")}"max_score":8.0,"hits":['
    fetch = head + '{"_index":"b","_id":"1","_score":8.0},{"_index":"a","_id":"2","_score":7.0}]}}'
    query = WINDOW.replace(b'"max_score"', total.get("query", "").encode() + b'"max_score"')
    joined = rejoin(read(query), read(fetch.encode()), QUERY_PHASE, LAST_FIRST)
    assert joined is not None
    assert json.loads(joined)["hits"].get("total") == ({"value": 3} if phase == "fetch" else None)


@pytest.mark.parametrize(
    "hits",
    [
        ['{"_index":"b","_id":"1","_score":8.0}'],
        ['{"_index":"b","_id":"1","_score":8.0}', '{"_index":"b","_id":"2","_score":7.0}'],
        ['{"_index":"b","_id":"1","_score":8.0}', '{"_index":"a","_id":"2","_score":7.0,"_routing":"x"}'],
        [],
    ],
)
def test_phases_that_differ_in_their_hits_cannot_be_joined(hits: list[str]) -> None:
    assert rejoin(read(WINDOW), read(answer(*hits)), QUERY_PHASE, LAST_FIRST) is None


def test_hits_with_one_id_are_told_apart_by_their_routing() -> None:
    rows = [
        (routing, score, f'{{"_index":"a","_id":"1","_score":{score},"_routing":"{routing}"}}')
        for routing, score in (("x", 9.0), ("y", 8.0), ("z", 7.0))
    ]
    query = answer(*(hit for _, _, hit in rows))
    plan = replace(QUERY_PHASE, size=2)
    ranking = Ranking((2, 0, 1), (9.0, 8.0, 7.0))
    fetch = answer(*(hit for routing, _, hit in rows if routing != "y"))
    joined = rejoin(read(query), read(fetch), plan, ranking)
    assert joined is not None
    assert [hit["_routing"] for hit in json.loads(joined)["hits"]["hits"]] == ["z", "x"]


def test_hits_that_cannot_be_told_apart_are_not_joined() -> None:
    query = answer(*(f'{{"_index":"a","_id":"1","_score":{score}}}' for score in (9.0, 8.0)))
    assert rejoin(read(query), read(query), replace(QUERY_PHASE, size=2), None) is None


def test_edits_are_spliced_in_any_order() -> None:
    assert splice(b"abcdef", [(4, 5, b"EE"), (0, 1, b""), (2, 2, b"+")]) == b"b+cdEEf"


def apart(text: bytes) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in msgspec.json.decode(text, type=dict[str, Raw]).items()}


@given(answers(), st.lists(st.none() | st.floats(0, 1), max_size=5), st.sampled_from(list(POLICIES)), st.data())
def test_all_other_bytes_are_unchanged(
    given_answer: Answer, model: list[float | None], policy: str, data: st.DataObject
) -> None:
    rule = Rule("docs", policy=PolicySpec(policy))
    start = data.draw(st.integers(0, 6))
    plan = replace(PLAN, start=start, size=data.draw(st.integers(0, 6)), rule=rule, extra_fields=("secret",))
    response = read(given_answer.text)
    ranking = rank(rule.policy, given_answer.scores, model[: len(response.hits)])
    out = rewrite(response, plan, data.draw(st.sampled_from([ranking, None])))

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


@pytest.mark.parametrize("score", [9.0, None])
def test_a_hit_that_keeps_its_score_keeps_its_text(score: float | None) -> None:
    body = answer('{"_id":"1","_score":9,"sort":[9,"x"],"_explanation":{}}', '{"_id":"2","_score":8}')
    assert rewrite(read(body), PLAN, Ranking((0, 1), (score, 1.5))) == answer(
        '{"_id":"1","_score":9,"sort":[9,"x"],"_explanation":{}}', '{"_id":"2","_score":1.5}'
    )


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, extra_fields=("secret",))])
def test_a_page_with_a_hit_that_has_a_duplicate_key_is_not_rewritten(plan: Plan) -> None:
    body = answer('{"_id":"1","_score":9.0}', '{"_id":"2","_score":8.0,"_score":8.0}')
    assert rewrite(read(body), plan, SWAPPED) is None
    assert rewrite(read(body), replace(plan, size=1), Ranking((0, 1), (1.75, 1.5))) is not None
