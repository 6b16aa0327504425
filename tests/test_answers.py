"""Errors of our own are in the engines' shape; what an engine said gets no header of the server library."""

from __future__ import annotations

import json

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


@pytest.mark.parametrize(
    ("kind", "left"), [(Answer, []), (WholeAnswer, []), (web.Response, ["Server", "Date"])], ids=str
)
async def test_only_an_engines_answer_is_bared(kind: type[web.StreamResponse], left: list[str]) -> None:
    response = kind(headers={"Server": "library", "Date": "today"})
    await bare(make_mocked_request("GET", "/"), response)
    assert [name for name in ("Server", "Date") if name in response.headers] == left
