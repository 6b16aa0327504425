"""Errors of our own are in the engines' shape; what an engine said gets no header of the server library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from es_rerank.server.responses import Answer, RerankHeaders, WholeAnswer, bare, error_answer


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


async def test_an_answer_of_our_own_says_whose_it_is() -> None:
    response = web.Response(headers={"Server": "library", "Date": "today"})
    await bare(make_mocked_request("GET", "/"), response)
    assert (response.headers["Server"], response.headers["Date"]) == ("es-rerank", "today")


async def test_a_client_that_wants_the_connection_closed_is_not_told_so_by_an_engines_answer() -> None:
    response = Answer(headers={"A": "1"})
    response.headers["Connection"] = "close"
    await bare(make_mocked_request("GET", "/", headers={"Connection": "Close"}), response)
    assert dict(response.headers) == {"A": "1"}
    response.headers["Connection"] = "close"
    await bare(make_mocked_request("GET", "/"), response)
    assert response.headers["Connection"] == "close"


def test_what_is_said_aside_is_said_once() -> None:
    headers = CIMultiDict([("Warning", "a"), ("X-Rerank", "old")])
    RerankHeaders("new", ["a", "b"]).onto(headers)
    assert list(headers.items()) == [("Warning", "a"), ("X-Rerank", "new"), ("Warning", "b")]
    RerankHeaders().onto(headers)
    assert len(headers) == 3
