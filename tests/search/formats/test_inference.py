from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.formats.inference import MOST_CHARACTERS, MOST_INPUTS, Question, read, write
from tests.search.strategies import JSON

ASKED = {"query": "q", "input": ["a"]}
PLAIN = Question("q", ("a",))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"query": "q", "input": ["a", "b"]}, Question("q", ("a", "b"))),
        ({"query": "q", "input": "a"}, PLAIN),
        ({"query": "q", "input": ["a", ""]}, Question("q", ("a", ""))),
        ({**ASKED, "top_n": None, "return_documents": None, "task_settings": None}, PLAIN),
        ({**ASKED, "task_settings": {}, "input_type": "search", "anything": 1}, PLAIN),
        ({**ASKED, "top_n": 3, "return_documents": False}, Question("q", ("a",), 3, with_text=False)),
        ({**ASKED, "top_n": "3", "return_documents": "false"}, Question("q", ("a",), 3, with_text=False)),
        ({**ASKED, "return_documents": "true"}, PLAIN),
        (
            {**ASKED, "task_settings": {"top_n": 3, "return_documents": False}},
            Question("q", ("a",), 3, with_text=False),
        ),
        (
            {**ASKED, "top_n": 1, "return_documents": True, "task_settings": {"top_n": 3, "return_documents": False}},
            Question("q", ("a",), 1),
        ),
        ({**ASKED, "top_n": None, "task_settings": {"top_n": 3}}, Question("q", ("a",), 3)),
    ],
)
def test_requests(asked: Any, expected: Question) -> None:
    assert read(json.dumps(asked).encode()) == expected


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"input": ["a"]}, "[query]"),
        ({"query": " ", "input": ["a"]}, "[query]"),
        ({"query": ["q"], "input": ["a"]}, "[query]"),
        ({"query": "q"}, "[input]"),
        ({"query": "q", "input": []}, "[input]"),
        ({"query": "q", "input": ["a", 1]}, "[input]"),
        ({"query": "q", "input": {"a": "b"}}, "[input]"),
        ({**ASKED, "task_settings": [1]}, "[task_settings]"),
        ({**ASKED, "top_n": 0}, "[top_n]"),
        ({**ASKED, "top_n": -1}, "[top_n]"),
        ({**ASKED, "top_n": 1.5}, "[top_n]"),
        ({**ASKED, "top_n": True}, "[top_n]"),
        ({**ASKED, "top_n": "many"}, "[top_n]"),
        ({**ASKED, "top_n": [2]}, "[top_n]"),
        ({**ASKED, "top_n": 10**30}, "[top_n]"),
        ({**ASKED, "task_settings": {"top_n": 0}}, "[top_n]"),
        ({**ASKED, "return_documents": 1}, "[return_documents]"),
        ({**ASKED, "return_documents": 0}, "[return_documents]"),
        ({**ASKED, "return_documents": "yes"}, "[return_documents]"),
        ({**ASKED, "task_settings": {"return_documents": []}}, "[return_documents]"),
        ([], "JSON object"),
    ],
)
def test_what_is_wrong_is_named(asked: Any, field: str) -> None:
    said = read(json.dumps(asked).encode())
    assert isinstance(said, str)
    assert field in said


def test_no_more_is_taken_than_a_window_holds() -> None:
    def said(query: str, *documents: str) -> Any:
        return read(json.dumps({"query": query, "input": documents}).encode())

    assert isinstance(said("q", *["a"] * MOST_INPUTS), Question)
    assert "no more than 1000 texts, not 1001" in said("q", *["a"] * (MOST_INPUTS + 1))
    half = "é" * (MOST_CHARACTERS // 2)
    assert isinstance(said("q", half[1:], half), Question)
    assert "no more than 5000000 characters together" in said("q", half, half)


@pytest.mark.parametrize("body", [b"", b"{", b'{"query":"q","input":["a"]} x', b"[" * 5000 + b"]" * 5000])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert read(body) == "the body is no JSON object"


def test_the_answer_is_best_first() -> None:
    question = Question("q", ("a", "", "c", "d", "e"))
    assert json.loads(write(question, [0.25, None, 0.5, 0.25, 0.0])) == {
        "rerank": [
            {"index": 2, "relevance_score": 0.5, "text": "c"},
            {"index": 0, "relevance_score": 0.25, "text": "a"},
            {"index": 3, "relevance_score": 0.25, "text": "d"},
            {"index": 4, "relevance_score": 0.0, "text": "e"},
            {"index": 1, "relevance_score": 0.0, "text": ""},
        ]
    }


@pytest.mark.parametrize(("top_n", "indices"), [(None, [1, 2, 0]), (1, [1]), (2, [1, 2]), (9, [1, 2, 0])])
def test_no_more_are_given_than_are_wanted(top_n: int | None, indices: list[int]) -> None:
    found = json.loads(write(Question("q", ("a", "b", "c"), top_n, with_text=False), [0.1, 0.9, 0.2]))
    assert [one["index"] for one in found["rerank"]] == indices
    assert all(one.keys() == {"index", "relevance_score"} for one in found["rerank"])


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=20))
def test_every_document_has_one_place(probabilities: list[float | None]) -> None:
    rows = json.loads(write(Question("q", ("x",) * len(probabilities)), probabilities))["rerank"]
    assert sorted(row["index"] for row in rows) == list(range(len(probabilities)))
    places = [(probabilities[row["index"]] is None, -row["relevance_score"], row["index"]) for row in rows]
    assert places == sorted(places)


@given(JSON | st.fixed_dictionaries({"query": JSON, "input": JSON, "task_settings": JSON, "top_n": JSON}))
def test_no_request_is_an_error(asked: Any) -> None:
    read(json.dumps(asked).encode())
    read(json.dumps({**ASKED, "top_n": asked, "task_settings": {"return_documents": asked}}).encode())


@given(st.binary())
def test_no_bytes_are_an_error(body: bytes) -> None:
    read(body)
