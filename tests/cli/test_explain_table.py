from __future__ import annotations

from typing import Any

import pytest

from es_rerank.cli import explain_table
from es_rerank.model import Skip, Why
from es_rerank.server.admin import explanation
from tests.cli.conftest import Run
from tests.server.admin.test_explain import explained
from tests.server.handlers.engine import HOSE, running


async def shown(**question: Any) -> list[str]:
    async with running(**question.pop("endpoint", {})) as (proxy, _, _):
        searches = await explained(proxy, **{"path": "/docs/_search", "body": HOSE, **question})
    return list(explain_table.lines(searches))


async def test_a_search_is_shown_with_its_plan_and_both_orders() -> None:
    lines = await shown(run=True, path="/docs/_search?size=3")
    assert lines[:5] == [
        "query text: hose",
        "window: 50 hits, page: 3 hits from 0",
        "rule: default (mode on, policy replace, deadline 3 s)",
        "fields: title, body (chosen based on the documents in the window)",
        "engine request: POST /docs/_search?from=0&size=50",
    ]
    assert lines[6].startswith("reranked; window=4; cached=0; model=BAAI/bge-reranker-v2-m3 (engine ")
    assert lines[8:11] == [
        "field  read  why",
        "title  yes   a headline, by its name",
        "body   yes   the query searches or highlights it by name",
    ]
    assert lines[12:] == [
        "rank  engine  _score  engine score   model  document  passages",
        "   1       3  1.8808        7.0000  0.8808  docs/3    1 of 1",
        "   2       4  1.7311        6.0000  0.7311  docs/4    1 of 1",
        "   3       2  1.5000        8.0000  0.5000  docs/2    1 of 1",
        "",
        "best passage of each hit, as the model read it:",
        "  1. [1 of 1, about 3 tokens] mend a hose",
        "  2. [1 of 1, about 2 tokens] a hose",
        "  3. [1 of 1, about 3 tokens] spare parts",
    ]


def test_a_search_that_is_not_reranked_is_shown_with_its_reason() -> None:
    lines = list(explain_table.lines([explanation.skipped(Skip(Why.SORT))] * 2))
    assert lines[:4] == [
        "search 1 of 2",
        "not reranked: sort",
        "  The request sorts hits by something other than relevance.",
        "  What to do: Nothing. This is expected.",
    ]
    assert lines[4:6] == ["", "search 2 of 2"]


@pytest.mark.parametrize("why", [Why.OFF, Why.SHADOW, Why.SAMPLED_OUT])
def test_who_tries_a_rule_in_shadow_mode_learns_how_to_see_the_reranked_order(why: Why) -> None:
    lines = list(explain_table.lines([explanation.skipped(Skip(why))]))
    assert lines[-1] == "  To see the reranked order anyway, add --run --force."


async def test_an_error_of_the_engine_is_shown() -> None:
    lines = await shown(run=True, path="/docs/_search", endpoint={"says": {"/docs/_search": _bad()}})
    assert lines[-1] == 'the engine responded with HTTP 400: {"error":"no"}'


def _bad() -> Any:
    from es_rerank.testing import FakeResponse  # noqa: PLC0415

    return FakeResponse(b'{"error":"no"}', 400)


def test_control_characters_and_long_texts_do_not_reach_the_terminal() -> None:
    passage = {"text": "a\x1b[31m\u202ered\n" + "x" * 500}
    assert explain_table._short(passage) == f"a [31m red {'x' * 149}…"


def test_the_table_is_printed_on_request(run: Run) -> None:
    result = run("explain", "--path", "/docs/_search?q=hose", "--format", "table")
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == "query text: hose"
