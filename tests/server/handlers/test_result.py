from __future__ import annotations

import json
from dataclasses import replace

from es_rerank.model import Failed, Outcome, Rule, Why, failed
from es_rerank.pipeline import Reply
from es_rerank.server.handlers.result import answered, broken, pass_through

RULE = Rule("docs")
FAULT = failed(Failed(Why.DEADLINE, "too slow"))


def test_only_a_strict_rule_makes_an_error_of_a_fault() -> None:
    loose, strict = (answered(Reply(b"{}", FAULT, replace(RULE, strict=strict))) for strict in (False, True))
    assert (loose.status, loose.body) == (200, b"{}")
    assert strict.status == 500
    assert json.loads(strict.body or b"")["error"]["reason"] == "deadline: too slow"
    assert answered(Reply(b"{}", Outcome("reranked"), replace(RULE, strict=True))).status == 200


def test_reasons_are_told_in_their_order() -> None:
    assert [one.header for one in pass_through(Why.SORT, Why.SCROLL).outcomes] == [
        "skipped; why=sort",
        "skipped; why=scroll",
    ]
    assert broken().outcomes[0].header == "failed; why=internal"
