from __future__ import annotations

import json
from dataclasses import replace

import pytest

from es_rerank.model import LowHits, MinProbability, Plan, Protection, Rule
from es_rerank.search.fields.verdicts import Verdict
from es_rerank.search.response.hits import Hit, read
from es_rerank.search.scoring import PINNED
from es_rerank.search.window import field_verdicts, minimum, moves_hits, ranked, read_window, window_scores
from tests.search.builders import a_plan

PLAN = a_plan(text="garden hose", window=2)
PROTECTED = replace(PLAN, rule=Rule("default", protect=Protection()))


def hits(*titles: str) -> tuple[Hit, ...]:
    rows = [f'{{"_index":"docs","_id":"{at}","_source":{{"title":"{title}"}}}}' for at, title in enumerate(titles)]
    return read(f'{{"hits":{{"hits":[{",".join(rows)}]}}}}'.encode()).hits


def test_the_passages_of_the_window_without_pinned_hits() -> None:
    texts, fields = read_window(hits("a", "b", "c"), PLAN, [PINNED, 2.0, 1.0])
    assert (texts, fields) == ([None, "b"], ("title", "body"))


def test_the_fields_that_the_hits_decide_on() -> None:
    plan = replace(PLAN, chooses_fields=True, passage_fields=("title", "body", "sku"))
    assert read_window(hits("a hose", "a reel"), plan, [2.0, 1.0]) == (["a hose", "a reel"], ("title",))


@pytest.mark.parametrize(
    ("plan", "titles", "fields", "expected"),
    [
        (PROTECTED, ("Garden hose", "reel"), ("title",), 0),
        (PROTECTED, ("Garden hose", "reel"), ("body",), None),
        (PLAN, ("Garden hose", "reel"), ("title",), None),
        (PROTECTED, ("reel", "Garden hose"), ("title",), None),
    ],
)
def test_a_hit_whose_read_text_is_the_query_is_protected(
    plan: Plan, titles: tuple[str, ...], fields: tuple[str, ...], expected: int | None
) -> None:
    scores = window_scores(hits(*titles), plan, [2.0, 1.9], [0.5, 0.6], fields)
    assert scores.exact is (expected is not None)
    assert ranked(scores, plan.rule, None).order == ((0, 1) if expected == 0 else (1, 0))


def test_pinned_hits_and_hits_of_hidden_indices_have_no_passage() -> None:
    rows = [
        ("docs", 2 * PINNED, "pinned"),
        ("docs", 3.0, "a hose"),
        (".secrets", 2.0, "hidden"),
        ("docs", 1.0, "later"),
    ]
    hits = [
        {"_index": index, "_id": str(at), "_score": score, "_source": {"body": text}}
        for at, (index, score, text) in enumerate(rows)
    ]
    response = read(json.dumps({"hits": {"hits": hits}}).encode())
    texts, _ = read_window(response.hits, a_plan(window=3), [score for _, score, _ in rows])
    assert texts == [None, "a hose", None]


def test_a_misspelled_field_of_a_rule_is_shown_as_not_read() -> None:
    plan = replace(PLAN, passage_fields=("title", "tilte"))
    why = "named by the rule or the request"
    assert field_verdicts(hits("a hose", ""), plan) == [
        Verdict("title", read=True, why=why),
        Verdict("tilte", read=False, why=f"{why}, but no document of the window has a value"),
    ]


def test_verdicts_on_candidates_are_from_the_hits_of_the_window() -> None:
    plan = replace(PLAN, chooses_fields=True, passage_fields=("title", "body", "sku", "x"), window=1)
    assert [one[:2] for one in field_verdicts(hits("a hose", "reel"), plan)] == [
        ("title", True),
        *((name, False) for name in ("body", "sku", "x")),
    ]
    assert field_verdicts(hits("", "a reel"), plan)[0][:2] == ("title", False)


@pytest.mark.parametrize(
    ("text", "hit", "exact"),
    [
        ("17", '{"_index":"docs","_id":"17","_source":{}}', True),
        ("docs", '{"_index":"docs","_id":"17","_source":{}}', False),
        ("x", '{"_index":"docs","_id":"17","_routing":"x","_source":{}}', False),
        ("hose", '{"_index":"docs","_id":"17","_source":{"title":"Hose"}}', True),
    ],
)
def test_an_exact_match_is_the_id_or_a_text_of_the_first_hit(text: str, hit: str, exact: bool) -> None:
    plan = replace(PROTECTED, text=text)
    found = read(f'{{"hits":{{"hits":[{hit},{{"_index":"docs","_id":"18","_source":{{}}}}]}}}}'.encode()).hits
    assert window_scores(found, plan, [2.0, 1.0], [0.5, 0.5], ("title",)).exact is exact
    assert not window_scores(found, plan, [PINNED, 1.0], [0.5, 0.5], ("title",)).exact


@pytest.mark.parametrize(
    ("min_score", "below", "expected", "moves"),
    [
        (None, None, None, False),
        (None, LowHits.DROP, MinProbability(0.2, LowHits.DROP), False),
        (None, LowHits.LAST, MinProbability(0.2, LowHits.LAST), True),
        (0.0, LowHits.LAST, MinProbability(0.0, LowHits.ONLY_SCORED), False),
        (0.5, None, MinProbability(0.5, LowHits.ONLY_SCORED), False),
    ],
)
def test_the_minimum_of_a_request_replaces_that_of_the_rule(
    min_score: float | None, below: LowHits | None, expected: MinProbability | None, moves: bool
) -> None:
    rule = Rule("default", min_probability=below and MinProbability(0.2, below))
    plan = replace(PLAN, min_score=min_score, rule=rule)
    assert (minimum(plan), moves_hits(plan)) == (expected, moves)
