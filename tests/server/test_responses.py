"""Errors of es-rerank have the engines' format; an engine's response gets no header of the server library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from es_rerank.model import Failed, Outcome, OutcomeState, Why, failed, skipped
from es_rerank.server.responses import (
    PassedResponse,
    RerankHeaders,
    WholeResponse,
    error_answer,
    outcome_header,
    remove_library_headers,
)
from es_rerank.server.timings import Timings


def test_an_error_has_the_engines_format() -> None:
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


@pytest.mark.parametrize("engine_headers", [{}, {"Server": "engine", "Date": "then"}, {"Content-Type": "a/b"}])
@pytest.mark.parametrize(
    "make",
    [PassedResponse, lambda headers: WholeResponse(headers=headers, body=b"x")],
    ids=["stream", "whole"],
)
async def test_an_engines_response_has_only_its_own_headers(make: Any, engine_headers: dict[str, str]) -> None:
    response = make(headers=engine_headers)
    for name in ("Server", "Date", "Content-Type"):
        response.headers.setdefault(name, "library")
    await remove_library_headers(make_mocked_request("GET", "/"), response)
    assert {name: value for name, value in response.headers.items() if name != "Content-Length"} == engine_headers


async def test_a_response_of_es_rerank_names_it_as_the_server() -> None:
    response = web.Response(headers={"Server": "library", "Date": "today"})
    await remove_library_headers(make_mocked_request("GET", "/"), response)
    assert (response.headers["Server"], response.headers["Date"]) == ("es-rerank", "today")


async def test_an_engines_response_does_not_confirm_that_the_client_wants_the_connection_closed() -> None:
    response = PassedResponse(headers={"A": "1"})
    response.headers["Connection"] = "close"
    await remove_library_headers(make_mocked_request("GET", "/", headers={"Connection": "Close"}), response)
    assert dict(response.headers) == {"A": "1"}
    response.headers["Connection"] = "close"
    await remove_library_headers(make_mocked_request("GET", "/"), response)
    assert response.headers["Connection"] == "close"


def test_the_outcome_replaces_an_older_one_and_each_warning_is_added_once() -> None:
    headers = CIMultiDict([("Warning", "a"), ("X-Rerank", "old")])
    RerankHeaders("new", warnings=["a", "b"]).add_to(headers)
    assert list(headers.items()) == [("Warning", "a"), ("X-Rerank", "new"), ("Warning", "b")]
    RerankHeaders().add_to(headers)
    assert len(headers) == 3


def test_server_timing_is_added_to_a_response_with_an_outcome_next_to_that_of_the_engine() -> None:
    headers = CIMultiDict([("Server-Timing", "db;dur=1")])
    RerankHeaders("new", Timings()).add_to(headers)
    engine, own = headers.getall("Server-Timing")
    assert engine == "db;dur=1"
    assert own.startswith("engine;dur=0.0, rerank;dur=0.0, proxy;dur=")
    without_search: CIMultiDict[str] = CIMultiDict()
    RerankHeaders("", Timings()).add_to(without_search)
    assert list(without_search) == []


RERANKED = Outcome(OutcomeState.RERANKED, window=50, of=50, cached=12, model="some/model")


@pytest.mark.parametrize(
    ("outcome", "header"),
    [
        (skipped(Why.SORT), "skipped; why=sort"),
        (skipped(Why.SHADOW), "shadow"),
        (failed(Failed(Why.DEADLINE, "no answer within 3.0 s")), "failed; why=deadline"),
        (RERANKED, "reranked; window=50; cached=12; model=some/model"),
        (
            Outcome(OutcomeState.RERANKED, window=20, of=100, model="some/model"),
            "reranked; window=20; of=100; cached=0; model=some/model",
        ),
    ],
)
def test_the_header_of_one_search_is_its_outcome(outcome: Outcome, header: str) -> None:
    assert outcome_header([outcome]) == header


def test_the_header_lists_the_searches_of_a_request_in_their_order() -> None:
    expected = "skipped; why=sort, reranked; window=50; cached=12; model=some/model, skipped; why=scroll"
    assert outcome_header([skipped(Why.SORT), RERANKED, skipped(Why.SCROLL)]) == expected
    assert outcome_header([]) == ""


@pytest.mark.parametrize(("searches", "more"), [(31, 0), (32, 0), (33, 1), (1000, 968)])
def test_the_header_lists_at_most_32_searches_and_counts_the_others(searches: int, more: int) -> None:
    entries = outcome_header([skipped(Why.SORT)] * (searches - 1) + [skipped(Why.SCROLL)]).split(", ")
    listed = entries[:-1] if more else entries
    assert len(listed) == min(searches, 32)
    assert set(listed) == ({"skipped; why=sort"} if more else {"skipped; why=sort", "skipped; why=scroll"})
    assert entries[-1] == (f"and {more} more" if more else "skipped; why=scroll")
