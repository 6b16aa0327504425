from __future__ import annotations

import math
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import LongDocumentMode, LongDocuments, Rule
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.chunking import Limits
from es_rerank.rerank.profiles import PROFILES, Profile
from es_rerank.rerank.prompt import (
    Document,
    PromptBuilder,
    approximate_tokens,
    probabilities,
    read_documents,
)

QWEN3 = PROFILES["qwen3-reranker-0.6b"]
BGE = PROFILES["bge-reranker"]
TRUNCATE, MAX_PASSAGE = LongDocumentMode.TRUNCATE, LongDocumentMode.MAX_PASSAGE
# A cross-encoder, which reads query and passage together in a context of 512 tokens.
SMALL = replace(BGE, max_tokens=512, max_passage_tokens=500)


def builder(profile: str | Profile, backend: str = "vllm") -> PromptBuilder:
    found = profile if isinstance(profile, Profile) else PROFILES[profile]
    return PromptBuilder(BACKENDS[backend], found, "some/model", 10_000)


def test_a_short_query_is_sent_as_it_is() -> None:
    assert builder("e5").query("a leaking hose") == "a leaking hose"
    assert builder("e5").query("") == ""


def test_special_tokens_in_the_query_are_escaped() -> None:
    assert builder("e5").query("<s> hose") == "< s> hose"


@pytest.mark.parametrize(("profile", "words"), [("minilm", 65), ("e5", 130), (SMALL, 130), ("bge-reranker", 2100)])
def test_a_long_query_is_cut_to_a_quarter_of_the_context(profile: str | Profile, words: int) -> None:
    prompts = builder(profile)
    query = prompts.query("hose " * 100_000)
    assert query.split() == ["hose"] * len(query.split())
    quarter = prompts.profile.max_tokens // 4
    assert quarter * 0.6 < prompts.profile.rates.measure(query).estimate <= quarter
    assert len(query.split()) < words


@pytest.mark.parametrize("text", ["\u6c34" * 300, "\U0001f6b0" * 300, "x9-" * 150])
def test_a_short_query_of_many_tokens_is_cut_too(text: str) -> None:
    prompts = builder("e5")
    query = prompts.query(text)
    assert text.startswith(query)
    assert prompts.profile.rates.measure(query).estimate <= 128 < prompts.profile.rates.measure(text).estimate


def test_the_limits_are_those_of_the_profile() -> None:
    assert builder("e5").limits(LongDocuments(), "hose") == Limits(MAX_PASSAGE, 256, 10_000, 504)
    assert builder("bge-reranker").limits(LongDocuments(), "hose") == Limits(MAX_PASSAGE, 1024, 10_000, 4096)


@pytest.mark.parametrize(
    ("profile", "tokens", "mode"),
    [
        ("bge-reranker", None, MAX_PASSAGE),
        ("bge-reranker", 1024, MAX_PASSAGE),
        ("bge-reranker", 1025, TRUNCATE),
        ("jina-reranker-v2", None, TRUNCATE),
        ("jina-reranker-v2", 128, MAX_PASSAGE),
        ("jina-reranker-v3", None, TRUNCATE),
        ("e5", 512, MAX_PASSAGE),
    ],
)
def test_later_passages_count_if_the_context_is_eight_times_a_passage(
    profile: str, tokens: int | None, mode: LongDocumentMode
) -> None:
    assert builder(profile).limits(LongDocuments(max_passage_tokens=tokens), "hose").mode is mode


def test_the_limits_of_a_rule_override_those_of_the_profile() -> None:
    limits = builder("minilm").limits(LongDocuments(TRUNCATE, 20, 300), "hose")
    assert limits == Limits(TRUNCATE, 20, 300, 80)


def test_a_cross_encoder_reads_query_and_passage_in_one_context() -> None:
    prompts = builder(SMALL)
    short, long = (prompts.limits(LongDocuments(), query) for query in ("hose", "hose " * 100))
    assert (short.max_passage_tokens, short.context_tokens) == (500, 504 - 2)
    taken = SMALL.rates.measure("hose " * 100).most
    assert (long.max_passage_tokens, long.context_tokens) == (504 - taken, 504 - taken)


def test_a_bi_encoder_reads_each_text_in_a_context_of_its_own() -> None:
    prompts = builder("e5")
    assert prompts.limits(LongDocuments(), "hose") == prompts.limits(LongDocuments(), "hose " * 100)


@given(st.text(max_size=3000), st.integers(16, 20_000), st.sampled_from([SMALL, QWEN3, *PROFILES.values()]))
def test_every_query_leaves_context_for_a_passage(query: str, limit: int, profile: Profile) -> None:
    prompts = builder(profile)
    limits = prompts.limits(LongDocuments(TRUNCATE, limit), prompts.query(query))
    assert 16 <= limits.max_passage_tokens <= limits.context_tokens <= profile.max_tokens


def test_documents_have_size_and_digest() -> None:
    plain, accented, lone = read_documents(["hose", "h\u00f6se", "\ud800"])
    assert (plain.size, accented.size, lone.size) == (4, 5, 1)
    assert len({plain.digest, accented.digest, lone.digest}) == 3
    assert lone.digest == read_documents(["?"])[0].digest
    assert plain.digest == read_documents(["hose"])[0].digest


def test_a_digest_is_short_enough_for_cache_keys_of_64_bytes() -> None:
    (document,) = read_documents(["hose"])
    assert document.digest == sha256(b"hose").digest()[:14]
    assert document == Document("hose", 4, 2, document.digest, None)


@pytest.mark.parametrize(
    ("profile", "text", "length"),
    [
        # The limit of a query is 512 / 4 tokens. A character has at most four bytes, and a byte is at most one token.
        ("e5", "\U0001f6b0" * 32, 32),
        ("e5", "\U0001f6b0" * 33, 33),
        ("e5", "\U0001f6b0" * 85, 85),
        ("e5", "\U0001f6b0" * 86, 84),
        ("minilm", "hose " * 50, 250),
        ("minilm", "hose " * 51, 249),
        ("minilm", " " * 100_000, 1),
    ],
    ids=lambda value: value[:1] if isinstance(value, str) and len(value) > 10 else None,
)
def test_the_length_of_a_query(profile: str, text: str, length: int) -> None:
    assert builder(profile).query(text) == text[:length]


def test_documents_are_escaped_once_and_only_as_far_as_they_are_read() -> None:
    long, short = documents = read_documents(["</s>" + "a" * 1000, "</s>"])
    limits = Limits(TRUNCATE, 10, 100, 20)
    assert [one.readable for one in documents] == [None, None]
    assert builder("e5").readable(documents, limits) == ["< /s>" + "a" * 116, "< /s>"]
    long.readable = "kept"
    assert builder("e5").readable([short, long], limits) == ["< /s>", "kept"]


@pytest.mark.parametrize(("size", "expected"), [(0, 1), (4, 2), (18, 6), (349, 100), (350, 101)])
def test_approximate_tokens(size: int, expected: int) -> None:
    assert approximate_tokens(size) == expected


@pytest.mark.parametrize(
    ("profile", "rule", "query", "text", "instruction"),
    [
        ("e5", None, "query: hose", "passage: mend", None),
        ("e5", "Find parts", "query: hose", "passage: mend", None),
        ("qwen3-reranker-0.6b", "Find parts", "hose", "mend", "Find parts"),
        ("qwen3-reranker-0.6b", None, "hose", "mend", QWEN3.instruction),
    ],
)
def test_a_call_has_the_prefixes_and_the_instruction_of_the_model(
    profile: str, rule: str | None, query: str, text: str, instruction: str | None
) -> None:
    call = builder(profile).call("hose", ["mend"], Rule("docs", instruction=rule))
    assert (call.query, list(call.texts)) == (query, [text])
    assert (call.instruction, call.model) == (instruction, "some/model")


@pytest.mark.parametrize(("backend", "score", "expected"), [("vllm", 0.0, 0.5), ("cohere", 0.7, 0.7)])
def test_scores_of_the_server_become_probabilities(backend: str, score: float, expected: float) -> None:
    assert builder("bge-reranker", backend).probabilities([score]) == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("profile", "score", "raw", "expected"),
    [
        ("bge-reranker", 0.0, True, 0.5),
        ("bge-reranker", 2.0, True, 1 / (1 + math.exp(-2))),
        ("bge-reranker", 0.7, False, 0.7),
        ("bge-reranker", 1.5, False, 1.0),
        ("bge-reranker", -0.5, False, 0.0),
        ("e5", 0.82, False, 0.5),
        ("e5", 0.92, True, 1 / (1 + math.exp(-2.5))),
        ("bge-reranker", -1e308, True, 0.0),
        ("bge-reranker", 1e308, True, 1.0),
        ("e5", -1e308, True, 0.0),
    ],
)
def test_a_score_becomes_a_probability(profile: str, score: float, raw: bool, expected: float) -> None:
    assert probabilities(PROFILES[profile], [score], raw) == [pytest.approx(expected)]


@given(
    st.sampled_from(list(PROFILES)), st.floats(allow_nan=False, allow_infinity=False), st.floats(-30, 30), st.booleans()
)
def test_probabilities_lie_in_their_range_and_keep_the_order(name: str, one: float, other: float, raw: bool) -> None:
    low, high = probabilities(PROFILES[name], sorted((one, other)), raw)
    assert 0 <= low <= high <= 1


def test_logits_that_are_equal_probabilities_in_half_precision_stay_apart() -> None:
    low, high = probabilities(BGE, [12.0, 12.5], raw=True)
    assert low < high < 1
