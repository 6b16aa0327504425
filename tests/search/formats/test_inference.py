from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.formats.inference import MAX_CHARACTERS, MAX_INPUTS, Question, read, write
from tests.search.strategies import JSON

REQUEST = {"query": "q", "input": ["a"]}
QUESTION = Question("q", ("a",))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"query": "q", "input": ["a", "b"]}, Question("q", ("a", "b"))),
        ({"query": "q", "input": "a"}, QUESTION),
        ({"query": "q", "input": ["a", ""]}, Question("q", ("a", ""))),
        ({**REQUEST, "top_n": None, "return_documents": None, "task_settings": None}, QUESTION),
        ({**REQUEST, "task_settings": {}, "input_type": "search", "anything": 1}, QUESTION),
        ({**REQUEST, "top_n": 3, "return_documents": False}, Question("q", ("a",), 3, with_text=False)),
        ({**REQUEST, "top_n": "3", "return_documents": "false"}, Question("q", ("a",), 3, with_text=False)),
        ({**REQUEST, "return_documents": "true"}, QUESTION),
        (
            {**REQUEST, "task_settings": {"top_n": 3, "return_documents": False}},
            Question("q", ("a",), 3, with_text=False),
        ),
        (
            {**REQUEST, "top_n": 1, "return_documents": True, "task_settings": {"top_n": 3, "return_documents": False}},
            Question("q", ("a",), 1),
        ),
        ({**REQUEST, "top_n": None, "task_settings": {"top_n": 3}}, Question("q", ("a",), 3)),
    ],
)
def test_a_request_is_read_with_its_defaults(request_: Any, expected: Question) -> None:
    assert read(json.dumps(request_).encode()) == expected


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"input": ["a"]}, "[query]"),
        ({"query": " ", "input": ["a"]}, "[query]"),
        ({"query": ["q"], "input": ["a"]}, "[query]"),
        ({"query": "q"}, "[input]"),
        ({"query": "q", "input": []}, "[input]"),
        ({"query": "q", "input": ["a", 1]}, "[input]"),
        ({"query": "q", "input": {"a": "b"}}, "[input]"),
        ({**REQUEST, "task_settings": [1]}, "[task_settings]"),
        ({**REQUEST, "top_n": 0}, "[top_n]"),
        ({**REQUEST, "top_n": -1}, "[top_n]"),
        ({**REQUEST, "top_n": 1.5}, "[top_n]"),
        ({**REQUEST, "top_n": True}, "[top_n]"),
        ({**REQUEST, "top_n": "many"}, "[top_n]"),
        ({**REQUEST, "top_n": [2]}, "[top_n]"),
        ({**REQUEST, "top_n": 10**30}, "[top_n]"),
        ({**REQUEST, "task_settings": {"top_n": 0}}, "[top_n]"),
        ({**REQUEST, "return_documents": 1}, "[return_documents]"),
        ({**REQUEST, "return_documents": 0}, "[return_documents]"),
        ({**REQUEST, "return_documents": "yes"}, "[return_documents]"),
        ({**REQUEST, "task_settings": {"return_documents": []}}, "[return_documents]"),
        ([], "JSON object"),
    ],
)
def test_an_error_names_the_member(request_: Any, field: str) -> None:
    error = read(json.dumps(request_).encode())
    assert isinstance(error, str)
    assert field in error


def test_a_request_is_limited_to_a_window() -> None:
    def outcome(query: str, *documents: str) -> Any:
        return read(json.dumps({"query": query, "input": documents}).encode())

    assert isinstance(outcome("q", *["a"] * MAX_INPUTS), Question)
    assert "at most 1000 texts, not 1001" in outcome("q", *["a"] * (MAX_INPUTS + 1))
    half = "é" * (MAX_CHARACTERS // 2)
    assert isinstance(outcome("q", half[1:], half), Question)
    assert "at most 5000000 characters together" in outcome("q", half, half)


@pytest.mark.parametrize("body", [b"", b"{", b'{"query":"q","input":["a"]} x', b"[" * 5000 + b"]" * 5000])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert read(body) == "the body is not a JSON object"


def test_the_response_is_best_first() -> None:
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
def test_at_most_top_n_documents_are_returned(top_n: int | None, indices: list[int]) -> None:
    response = json.loads(write(Question("q", ("a", "b", "c"), top_n, with_text=False), [0.1, 0.9, 0.2]))
    assert [row["index"] for row in response["rerank"]] == indices
    assert all(row.keys() == {"index", "relevance_score"} for row in response["rerank"])


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=20))
def test_every_document_is_returned_once(probabilities: list[float | None]) -> None:
    rows = json.loads(write(Question("q", ("x",) * len(probabilities)), probabilities))["rerank"]
    assert sorted(row["index"] for row in rows) == list(range(len(probabilities)))
    places = [(probabilities[row["index"]] is None, -row["relevance_score"], row["index"]) for row in rows]
    assert places == sorted(places)


TEXTS = st.text(min_size=1, max_size=5)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "top_n": st.integers(1, 5) | st.none() | JSON,
    "return_documents": st.booleans() | st.sampled_from([None, "true", "false"]) | JSON,
}
REQUESTS = st.fixed_dictionaries(
    {"query": TEXTS | JSON, "input": TEXTS | st.lists(TEXTS, min_size=1, max_size=3) | JSON},
    optional={**OPTIONS, "task_settings": st.fixed_dictionaries({}, optional=OPTIONS) | JSON},
)


def test_every_request_is_a_question_or_an_error() -> None:
    questions: list[Question] = []
    errors: list[str] = []

    @given(REQUESTS | JSON)
    def check(request_: Any) -> None:
        result = read(json.dumps(request_).encode())
        if isinstance(result, str):
            errors.append(result)
            assert result
            return
        questions.append(result)
        assert result.query.strip()
        assert result.documents
        assert result.top_n is None or result.top_n > 0
        response = json.loads(write(result, [0.5] * len(result.documents)))
        assert len(response["rerank"]) == min(len(result.documents), result.top_n or len(result.documents))
        assert all(("text" in row) is result.with_text for row in response["rerank"])

    check()
    assert questions
    assert errors


@given(st.binary())
def test_any_bytes_are_read(body: bytes) -> None:
    read(body)
