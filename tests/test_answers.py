"""Errors of our own are in the engines' shape; what an engine said gets no header of the server library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from es_rerank.answers import Answer, WholeAnswer, bare, error_answer


def test_an_error_has_the_engines_shape() -> None:
    answer = error_answer(405, "method_not_allowed", "[/x] takes GET", {"Allow": "GET"})
    assert (answer.status, answer.content_type, answer.headers["Allow"]) == (405, "application/json", "GET")
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {
        "error": {
            "root_cause": [{"type": "method_not_allowed", "reason": "[/x] takes GET"}],
            "type": "method_not_allowed",
            "reason": "[/x] takes GET",
        },
        "status": 405,
    }


@pytest.mark.parametrize("said", [{}, {"Server": "engine", "Date": "then"}, {"Content-Type": "a/b"}])
@pytest.mark.parametrize(
    "make", [Answer, lambda headers: WholeAnswer(headers=headers, body=b"x")], ids=["stream", "whole"]
)
async def test_an_engines_answer_has_its_own_headers_alone(make: Any, said: dict[str, str]) -> None:
    response = make(headers=said)
    for name in ("Server", "Date", "Content-Type"):
        response.headers.setdefault(name, "library")
    await bare(make_mocked_request("GET", "/"), response)
    assert {name: value for name, value in response.headers.items() if name != "Content-Length"} == said


async def test_an_answer_of_our_own_keeps_what_the_library_says() -> None:
    response = web.Response(headers={"Server": "library", "Date": "today"})
    await bare(make_mocked_request("GET", "/"), response)
    assert {"Server", "Date"} <= set(response.headers)
