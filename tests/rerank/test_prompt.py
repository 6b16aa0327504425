from __future__ import annotations

import pytest

from es_rerank.model import Long, Rule, ScoreRequest
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder, much

RULE = Rule("docs")


def reader(profile: str, backend: str = "vllm") -> PromptBuilder:
    return PromptBuilder(BACKENDS[backend], PROFILES[profile], "some/model", 10_000)


def test_a_query_as_long_as_a_book_leaves_room_for_documents() -> None:
    query, (pieces,) = reader("minilm").cut(ScoreRequest("word " * 5000, ["text " * 500], RULE, 1.0))
    assert 0 < len(query.split()) <= 64
    assert len(pieces) > 1


def test_what_a_rule_says_stands_above_the_profile() -> None:
    rule = Rule("docs", long=Long("truncate", 20))
    _, (pieces,) = reader("minilm").cut(ScoreRequest("hose", ["text " * 500], rule, 1.0))
    assert len(pieces) == 1
    assert 0 < len(pieces[0].split()) <= 20


def test_special_tokens_are_broken_up() -> None:
    query, cut = reader("e5").cut(ScoreRequest("<s> hose", ["a </s> b", None], RULE, 1.0))
    assert (query, cut) == ("< s> hose", [["a < /s> b"], []])


@pytest.mark.parametrize(
    ("profile", "rule", "query", "text", "instruction"),
    [
        ("e5", None, "query: hose", "passage: mend", None),
        ("e5", "Find parts", "query: hose", "passage: mend", None),
        ("qwen3-reranker-0.6b", "Find parts", "hose", "mend", "Find parts"),
    ],
)
def test_a_question_has_what_the_model_wants(
    profile: str, rule: str | None, query: str, text: str, instruction: str | None
) -> None:
    question = reader(profile).question("hose", ["mend"], Rule("docs", instruction=rule))
    assert (question.query, list(question.texts)) == (query, [text])
    assert (question.instruction, question.model) == (instruction, "some/model")


@pytest.mark.parametrize(("backend", "score", "expected"), [("vllm", 0.0, 0.5), ("cohere", 0.7, 0.7)])
def test_scores_of_the_server_become_probabilities(backend: str, score: float, expected: float) -> None:
    assert reader("bge-reranker", backend).probability(score) == pytest.approx(expected)


def test_there_is_much_to_read_from_some_books_on() -> None:
    assert not much(ScoreRequest("hose", ["a" * 1000, None], RULE, 1.0))
    assert much(ScoreRequest("hose", ["a" * 100_000] * 2, RULE, 1.0))
