from __future__ import annotations

import math
from dataclasses import replace

import pytest

from es_rerank.model import CallOptions, EngineReply, Rule

RULE = Rule("docs", deadline=3.0)


@pytest.mark.parametrize(
    ("arrived", "deadline", "expected"),
    [
        (100.0, math.inf, 103.0),
        (100.0, 102.0, 102.0),
        (100.0, 200.0, 103.0),
        (0.0, math.inf, 3.0),
    ],
)
def test_the_deadline_is_the_earlier_one_of_the_rule_and_the_client(
    arrived: float, deadline: float, expected: float
) -> None:
    assert CallOptions(arrived, deadline).deadline_of(RULE) == expected


def test_a_restarted_call_has_the_same_time_from_now_on() -> None:
    options = CallOptions(100.0, 102.0, two_phase=False, shadow=True, sampling_key="session 7")
    assert options.restarted(150.0) == replace(options, arrived=150.0, deadline=152.0)
    assert options.restarted(150.0).deadline_of(RULE) == 152.0


def test_a_restarted_call_of_a_patient_client_has_the_time_of_the_rule() -> None:
    assert CallOptions(100.0).restarted(150.0) == CallOptions(150.0)
    assert CallOptions(100.0).restarted(150.0).deadline_of(RULE) == 153.0


def test_the_engines_time_is_from_sending_to_the_end_of_its_response() -> None:
    assert EngineReply(started=2.0, ended=2.5).seconds == 0.5
    assert EngineReply().seconds == 0.0


def test_without_a_reply_there_is_no_status() -> None:
    assert EngineReply().status == 0
