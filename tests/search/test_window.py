from __future__ import annotations

import json
from dataclasses import replace

import pytest

from es_rerank.model import Plan, Protection, Rule
from es_rerank.search.response.hits import Hit, read
from es_rerank.search.scoring import PINNED
from es_rerank.search.window import ranked, read_window, window_scores
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
