from __future__ import annotations

import pytest

from es_rerank.model import Failed, Outcome, OutcomeState, Why, failed, skipped


@pytest.mark.parametrize("why", list(Why))
def test_a_skipped_search_has_its_reason_and_shadow_is_a_state_of_its_own(why: Why) -> None:
    state = OutcomeState.SHADOW if why is Why.SHADOW else OutcomeState.SKIPPED
    assert skipped(why) == Outcome(state, why)


def test_a_failed_search_has_the_reason_and_the_detail_of_the_failure() -> None:
    outcome = failed(Failed(Why.DEADLINE, "no response within 3.0 s"))
    assert outcome == Outcome(OutcomeState.FAILED, Why.DEADLINE, detail="no response within 3.0 s")


def test_a_search_without_scores_has_none_from_the_cache() -> None:
    assert (skipped(Why.OFF).cached, failed(Failed(Why.DEADLINE)).cached) == (0, 0)
