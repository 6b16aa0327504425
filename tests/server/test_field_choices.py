from __future__ import annotations

from structlog.testing import capture_logs

from es_rerank.model import Outcome, OutcomeState, Why, skipped
from es_rerank.server.field_choices import FieldChoices

TITLE = Outcome(OutcomeState.RERANKED, fields=("title",))
BODY = Outcome(OutcomeState.RERANKED, fields=("title", "body"))


def test_each_choice_of_fields_is_logged_once() -> None:
    choices = FieldChoices()
    with capture_logs() as logs:
        for path, outcome in (
            ("/a/_search", TITLE),
            ("/a/_search", TITLE),
            ("/a/_search", BODY),
            ("/b/_search", TITLE),
        ):
            choices.record(path, [outcome, skipped(Why.SORT)])
    assert [(one["path"], one["fields"]) for one in logs] == [
        ("/a/_search", ["title"]),
        ("/a/_search", ["title", "body"]),
        ("/b/_search", ["title"]),
    ]
    assert choices.listed() == [{"path": one["path"], "fields": one["fields"]} for one in logs]
    assert repr(choices) == "FieldChoices(seen=3)"


def test_the_number_of_choices_is_bounded() -> None:
    choices = FieldChoices()
    with capture_logs():
        for number in range(300):
            choices.record(f"/{number}", [TITLE])
    assert [one["path"] for one in choices.listed()] == [f"/{number}" for number in range(44, 300)]
