from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.backends import BACKENDS, BadAnswerError, RerankCall, can_serve, scores_vectors
from tests.search.strategies import JSON

CASES = Path(__file__).parent.parent / "cases" / "backends"
REMOTE = [name for name, row in BACKENDS.items() if not row.local]


def case(name: str, part: str) -> Any:
    return json.loads((CASES / name / f"{part}.json").read_text(encoding="utf-8"))


def rows_of(response: Any) -> list[dict[str, Any]]:
    """Find the rows of scores in a recorded response."""
    return response if isinstance(response, list) else response.get("data", response.get("results"))


def score_of(row: dict[str, Any]) -> str:
    return next(key for key in row if "score" in key and key != "object")


@pytest.mark.parametrize("name", BACKENDS)
def test_a_recorded_request_and_response(name: str) -> None:
    call = RerankCall(**case(name, "call"))
    assert BACKENDS[name].encode(call) == case(name, "request")
    assert BACKENDS[name].decode(case(name, "response"), len(call.texts)) == case(name, "scores")


@pytest.mark.parametrize("name", REMOTE)
def test_order_is_restored_by_index(name: str) -> None:
    response = case(name, "response")
    rows_of(response).reverse()
    assert BACKENDS[name].decode(response, 3) == case(name, "scores")


def test_every_backend_has_a_recorded_pair() -> None:
    assert sorted(BACKENDS) == sorted(path.name for path in CASES.iterdir())


@pytest.mark.parametrize("name", REMOTE)
def test_no_request_asks_for_less_than_all_scores(name: str) -> None:
    assert {"top_n", "top_k", "return_documents"} & set(BACKENDS[name].encode(RerankCall("q", ["a"], "m"))) == set()


@pytest.mark.parametrize("name", ["vllm", "vllm-rerank"])
def test_without_an_instruction_none_is_sent(name: str) -> None:
    assert "instruction" not in BACKENDS[name].encode(RerankCall("q", ["a"], "m"))


BAD_ROWS = {
    "one too few": lambda rows, _key: rows.pop(),
    "one too many": lambda rows, key: rows.append({"index": 3, key: 0.5}),
    "twice the same index": lambda rows, _key: rows[0].update(index=rows[1]["index"]),
    "an index beyond": lambda rows, _key: rows[0].update(index=7),
    "an index below zero": lambda rows, _key: rows[0].update(index=-1),
    "no index": lambda rows, _key: rows[0].pop("index"),
    "an index that is text": lambda rows, _key: rows[0].update(index="0"),
    "an index that is true": lambda rows, _key: rows[-1].update(index=True),
    "no score": lambda rows, key: rows[0].pop(key),
    "a score that is text": lambda rows, key: rows[0].update({key: "0.5"}),
    "a score that is null": lambda rows, key: rows[0].update({key: None}),
    "a score that is true": lambda rows, key: rows[0].update({key: True}),
    "not a number": lambda rows, key: rows[0].update({key: float("nan")}),
    "infinite": lambda rows, key: rows[0].update({key: float("-inf")}),
    "larger than any float": lambda rows, key: rows[0].update({key: 10**400}),
    "a row that is no object": lambda rows, _key: rows.__setitem__(0, 3),
    "nothing": lambda rows, _key: rows.clear(),
}


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("fault", BAD_ROWS)
def test_anything_but_one_finite_score_for_each_text_is_refused(name: str, fault: str) -> None:
    response = case(name, "response")
    rows = rows_of(response)
    BAD_ROWS[fault](rows, score_of(rows[0]))
    with pytest.raises(BadAnswerError):
        BACKENDS[name].decode(response, 3)


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("response", [None, 3, "scores", [], {}, {"results": 3}, {"data": {}}, {"error": "busy"}])
def test_anything_but_a_response_is_refused(name: str, response: Any) -> None:
    with pytest.raises(BadAnswerError):
        BACKENDS[name].decode(response, 1)


@given(st.sampled_from(REMOTE), JSON | st.lists(st.dictionaries(st.sampled_from(["index", "score"]), JSON)))
def test_any_json_is_scores_or_one_error(name: str, rows: Any) -> None:
    for response in (rows, {"data": rows}, {"results": rows}):
        try:
            assert len(BACKENDS[name].decode(response, 1)) == 1
        except BadAnswerError:
            continue


def test_a_call_is_halved_text_by_text() -> None:
    call = RerankCall("query", ["12345678", "123", ""], "model", "instruction")
    assert call.halved() == RerankCall("query", ["1234", "1", ""], "model", "instruction")


def test_no_request_has_more_texts_than_a_server_accepts_by_default() -> None:
    assert {name: row.max_batch for name, row in BACKENDS.items()} == {
        "vllm": 256,
        "vllm-rerank": 256,
        "tei": 32,
        "infinity": 256,
        "cohere": 500,
        "jina": 500,
        "identity": 2**31,
    }


def test_backends_that_return_probabilities() -> None:
    assert {name for name, row in BACKENDS.items() if not row.raw} == {"cohere", "jina", "identity"}


def test_only_the_backend_without_a_server_is_local() -> None:
    assert {name for name, row in BACKENDS.items() if row.local} == {"identity"}
    assert [name for name, row in BACKENDS.items() if row.has_vectors] == []


@pytest.mark.parametrize(
    ("profile", "backends"),
    [
        # A cross-encoder whose prompt is query and passage.
        ("bge-reranker", {"vllm", "vllm-rerank", "tei", "infinity", "cohere", "jina", "identity"}),
        # A bi-encoder, whose prefixes es-rerank adds.
        ("e5", {"vllm", "vllm-rerank", "tei", "infinity", "cohere", "jina", "identity"}),
        # A model with a chat template, and one that scores all passages in one prompt.
        ("qwen3-reranker-0.6b", {"vllm", "vllm-rerank", "cohere", "jina", "identity"}),
        ("jina-reranker-v3", {"vllm", "vllm-rerank", "cohere", "jina", "identity"}),
    ],
)
def test_backends_that_can_serve_a_model(profile: str, backends: set[str]) -> None:
    assert {name for name in BACKENDS if can_serve(name, profile)} == backends


@pytest.mark.parametrize(("profile", "backends"), [("bge-reranker", set()), ("e5", {"vllm"}), ("minilm", {"vllm"})])
def test_backends_whose_vectors_are_scored(profile: str, backends: set[str]) -> None:
    assert {name for name in BACKENDS if scores_vectors(name, profile)} == backends


@pytest.mark.parametrize("score", [3, -2, 0, 2**53])
def test_a_score_that_is_an_integer_becomes_a_float(score: int) -> None:
    (found,) = BACKENDS["tei"].decode([{"index": 0, "score": score}], 1)
    assert (found, type(found)) == (score, float)
