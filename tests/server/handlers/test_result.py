from __future__ import annotations

import json
from dataclasses import replace

from es_rerank.model import EngineReply, Failed, Outcome, OutcomeState, Rule, Why, failed
from es_rerank.pipeline import SearchResult
from es_rerank.server.handlers.result import internal_failure, pass_through, search_result
from es_rerank.server.responses import outcome_header

RULE = Rule("docs")
FAILURE = failed(Failed(Why.DEADLINE, "too slow"))


def test_only_a_strict_rule_makes_an_error_of_a_failure() -> None:
    loose, strict = (
        search_result(SearchResult(b"{}", FAILURE, replace(RULE, strict=strict)), b"{}") for strict in (False, True)
    )
    assert (loose.status, loose.body) == (200, b"{}")
    assert strict.status == 500
    assert json.loads(strict.body or b"")["error"]["reason"] == "deadline: too slow"
    assert (strict.reply, outcome_header(strict.outcomes)) == (None, "failed; why=deadline")
    reranked = SearchResult(b"{}", Outcome(OutcomeState.RERANKED), replace(RULE, strict=True))
    assert search_result(reranked, b"{}").status == 200


def test_a_response_has_the_body_that_it_is_given_and_the_engines_reply() -> None:
    reply = EngineReply(status=200, body=b"the engine's")
    result = SearchResult(b"not cut", Outcome(OutcomeState.RERANKED), RULE, reply)
    answer = search_result(result, b"cut")
    assert (answer.body, answer.reply, answer.outcomes) == (b"cut", reply, (result.outcome,))


def test_reasons_are_in_the_order_of_the_searches() -> None:
    assert [outcome_header([outcome]) for outcome in pass_through(Why.SORT, Why.SCROLL).outcomes] == [
        "skipped; why=sort",
        "skipped; why=scroll",
    ]
    assert outcome_header(internal_failure().outcomes) == "failed; why=internal"
    assert (pass_through(Why.SORT).body, internal_failure().body) == (None, None)
