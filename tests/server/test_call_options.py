from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from es_rerank.errors import RequestError
from es_rerank.model import CallOptions
from es_rerank.server.call_options import call_options


def options(headers: Mapping[str, str]) -> CallOptions:
    return call_options(CIMultiDict(headers), 100.0, two_phase=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, {}),
        ({"x-rerank-mode": " OFF "}, {"off": True}),
        ({"X-Rerank-Mode": "Shadow"}, {"shadow": True}),
        ({"X-Rerank-Mode": "on"}, {}),
        ({"X-Rerank-Deadline": "500ms"}, {"deadline": 100.5}),
        ({"X-Rerank-Deadline": "2s"}, {"deadline": 102.0}),
        ({"X-Rerank-Window": "2"}, {"window": 2}),
        ({"X-Rerank-Window": "1000"}, {"window": 1000}),
        ({"X-Rerank-Key": "user 7"}, {"sampling_key": "user 7"}),
    ],
)
def test_each_header_sets_one_option(headers: Mapping[str, str], expected: Mapping[str, Any]) -> None:
    assert options(headers) == CallOptions(**{"arrived": 100.0, "deadline": math.inf, "two_phase": True} | expected)


@pytest.mark.parametrize("two_phase", [True, False])
def test_the_endpoint_decides_whether_searches_have_two_phases(two_phase: bool) -> None:
    assert call_options({}, 0.0, two_phase=two_phase).two_phase is two_phase


@pytest.mark.parametrize("value", ["", "strict", "true", "of", "off, shadow"])
def test_an_unknown_mode_is_an_error(value: str) -> None:
    with pytest.raises(RequestError, match=r"^X-Rerank-Mode: must be on, off or shadow$"):
        options({"X-Rerank-Mode": value})


@pytest.mark.parametrize("value", ["", "0", "1", "1001", "10000", "-5", "+5", "5.0", " 5", "five"])
def test_a_window_that_is_no_number_from_2_to_1000_is_an_error(value: str) -> None:
    with pytest.raises(RequestError, match=r"^X-Rerank-Window: must be a number from 2 to 1000$"):
        options({"X-Rerank-Window": value})


@pytest.mark.parametrize("value", ["", "5", "soon", "-1s", "5 lightyears"])
def test_a_deadline_that_is_no_duration_is_an_error(value: str) -> None:
    with pytest.raises(RequestError, match=r"^X-Rerank-Deadline: "):
        options({"X-Rerank-Deadline": value})
