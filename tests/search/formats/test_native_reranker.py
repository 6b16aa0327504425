from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import RerankRequest
from es_rerank.search.formats.native_reranker import Resolved, resolve
from tests.search.strategies import JSON, SCALARS

CASES = yaml.safe_load((Path(__file__).parent.parent.parent / "cases" / "asked.yaml").read_text(encoding="utf-8"))


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_explicit_requests_are_taken_out_of_the_body(case: dict[str, Any]) -> None:
    raw = encoded(case["body"])
    resolved = resolve(raw, case.get("pipeline"))
    if "given" not in case:
        assert resolved == Resolved(raw, None, native=case.get("native", False))
        assert resolved.raw is raw
        return
    expected = RerankRequest(**{**case["given"], "fields": tuple(case["given"].get("fields", ()))})
    assert (json.loads(resolved.raw), resolved.rerank_request, resolved.native) == (case["sent"], expected, False)


RERANKED = '{"text_similarity_reranker": {"inference_text": "cellar", "field": "body", "retriever": %s%s}}'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            '{"track": 1.50,\n "retriever": %s, "after": [123456789012345678901234567890]}'
            % (RERANKED % ('{"standard": {"query": {"a":  1.50 , "b": 1e2}, "min_score": 0.10}}', "")),
            '{"track":1.50,"query":{"a":  1.50 , "b": 1e2},"min_score":0.10,"after":[123456789012345678901234567890]}',
        ),
        (
            '{"retriever": %s}'
            % (RERANKED % ('{"knn": {"k": 1.0, "filter": [{"a": 2.50}]}}', ', "filter": {"b": -0.0}')),
            '{"retriever":{"knn":{"k":1.0,"filter":[{"a": 2.50},{"b": -0.0}]}}}',
        ),
        (
            '{"retriever": {"rrf": {"retrievers": [{"a": {"k": 1e1}}, {"weight": 2.50, "retriever": %s}]}}}'
            % (RERANKED % ('{"knn": {"n": 9.00}}', "")),
            '{"retriever":{"rrf":{"retrievers":[{"a": {"k": 1e1}},{"weight":2.50,"retriever":{"knn": {"n": 9.00}}}]}}}',
        ),
        (
            '{"a": 1.50, "ext": {"b": 1E5, "rerank": {"query_context": {"query_text": "cellar"}}}, "c": "\\u00e9"}',
            '{"a":1.50,"ext":{"b":1E5},"c":"\\u00e9"}',
        ),
    ],
)
def test_values_keep_their_bytes(raw: str, expected: str) -> None:
    resolved = resolve(raw.encode())
    assert resolved.raw == expected.encode()
    assert resolved.rerank_request is not None
    assert resolved.rerank_request.text == "cellar"


@pytest.mark.parametrize("raw", [b"", b"[]", b"3", b"{", b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_a_body_that_is_no_object_is_returned_unchanged(raw: bytes) -> None:
    resolved = resolve(raw)
    assert resolved == Resolved(raw)
    assert resolved.raw is raw


@pytest.mark.parametrize(
    "raw",
    [
        RERANKED % ('{"standard": {}, "standard": {}}', ""),
        RERANKED % ('{"standard": {}}', ', "field": "title"'),
        RERANKED % ('{"standard": {}}', ', "min_score": 1e999'),
        RERANKED % ('{"standard": {}}', ', "rank_window_size": 2147483648'),
    ],
)
def test_a_reranker_that_the_engine_refuses_is_left_to_it(raw: str) -> None:
    body = b'{"retriever": %b}' % raw.encode()
    assert resolve(body) == Resolved(body, native=True)


@pytest.mark.parametrize("wrap", [RERANKED.replace("%s%s", "%s"), '{"rule": {"retriever": %s}}'])
def test_retrievers_nested_too_deeply_are_left_to_the_engine(wrap: str) -> None:
    nested = RERANKED % ('{"standard": {}}', "")
    for _ in range(50):
        nested = wrap % nested
    body = b'{"retriever": %b}' % nested.encode()
    assert resolve(body) == Resolved(body, native=True)


# Retrievers as clients write them. Each leaf has a number of its own kind, to be found again.
LEAVES = st.integers(10**29, 10**30).map(lambda number: {"standard": {"query": {"term": {"code": number}}}})
FILTERS = st.sampled_from([{}, {"filter": {"term": {"a": 1}}}, {"filter": []}])


def reranked(inner: dict[str, Any], text: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"text_similarity_reranker": {"retriever": inner, "inference_text": text, **more}}


def tree(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    weighed = inner.map(lambda one: {"retriever": one, "weight": 2})
    return (
        st.builds(reranked, inner, st.sampled_from(["cellar", "attic"]), FILTERS)
        | st.builds(lambda several, more: {"rrf": {"retrievers": several, **more}}, st.lists(inner | weighed), FILTERS)
        | inner.map(lambda one: {"pinned": {"ids": ["7"], "retriever": one}})
    )


RETRIEVERS = st.recursive(LEAVES, tree, max_leaves=6)


def numbers(value: Any) -> Iterator[int]:
    """Find the numbers of the leaves, in their order."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif isinstance(value, int) and value >= 10**29:
        yield value


def test_only_the_rerankers_are_removed() -> None:
    results: list[Resolved] = []

    @given(RETRIEVERS)
    def check(retriever: dict[str, Any]) -> None:
        raw = encoded({"retriever": retriever, "size": 7})
        named = b"text_similarity_reranker" in raw
        resolved = resolve(raw)
        results.append(resolved)
        assert (resolved.rerank_request is not None or resolved.native) == named
        if resolved.rerank_request is None:
            assert resolved.raw is raw
            return
        sent = json.loads(resolved.raw)
        assert b"text_similarity_reranker" not in resolved.raw
        assert b"inference_text" not in resolved.raw
        assert list(numbers(sent)) == list(numbers(retriever))
        assert sent["size"] == 7
        assert resolve(resolved.raw) == Resolved(resolved.raw)

    check()
    assert any(resolved.rerank_request for resolved in results)


# The right words in wrong places.
_WORDS = st.sampled_from(
    [
        *("retriever", "retrievers", "text_similarity_reranker", "standard", "rrf", "query", "filter", "field", "0"),
        *("inference_text", "rank_window_size", "min_score", "chunk_rescorer", "_name", "ext", "rerank"),
        *("query_context", "query_text", "query_text_path", "search_pipeline"),
    ]
)
ODD: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.sampled_from(["query.0", "query", "cellar", "_none", 10]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=5),
    max_leaves=20,
)
BODIES = st.dictionaries(st.sampled_from(["retriever", "ext", "query", "search_pipeline"]), ODD)
RERANKERS = st.dictionaries(_WORDS, ODD | RETRIEVERS).map(
    lambda odd: {"retriever": {"text_similarity_reranker": {**odd, "inference_text": "cellar"}}}
)


# Valid requests, at most one member of which is replaced by any value.
VALID_RERANKERS = st.builds(
    lambda retriever, more, odd: {
        "retriever": {
            "text_similarity_reranker": {"inference_text": "cellar", "retriever": retriever, **more, **odd},
        }
    },
    RETRIEVERS,
    st.fixed_dictionaries(
        {},
        optional={
            "field": st.just("body"),
            "rank_window_size": st.integers(1, 100),
            "min_score": st.floats(0, 1),
            "chunk_rescorer": st.just({"size": 2}),
            "_name": st.just("first"),
        },
    ),
    st.dictionaries(_WORDS, ODD, max_size=1),
)
VALID_CONTEXTS = st.builds(
    lambda context, odd: {"query": {"match": {"title": "hose"}}, "ext": {"rerank": {"query_context": context}}, **odd},
    st.sampled_from([{"query_text": "cellar"}, {"query_text_path": "query.match.title.query"}]) | ODD,
    st.dictionaries(_WORDS, ODD, max_size=1),
)


def test_every_body_is_resolved_left_to_the_engine_or_unchanged() -> None:
    results: list[Resolved] = []

    @given(
        VALID_RERANKERS | VALID_CONTEXTS | BODIES | RERANKERS | st.dictionaries(st.text(max_size=8), JSON),
        st.sampled_from([None, "", "_none", "mine"]),
    )
    def check(body: dict[str, Any], pipeline: str | None) -> None:
        raw = encoded(body)
        resolved = resolve(raw, pipeline)
        results.append(resolved)
        if resolved.rerank_request is None:
            assert resolved.raw is raw
        else:
            assert resolved.rerank_request.text.strip()
            assert not resolved.native
            assert isinstance(json.loads(resolved.raw), dict)

    check()
    assert any(resolved.rerank_request for resolved in results)
    assert any(resolved.native for resolved in results)
    assert any(not resolved.native and resolved.rerank_request is None for resolved in results)


@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name not in {"retriever", "ext"}), JSON))
def test_a_body_that_asks_for_nothing_is_returned_unchanged(body: dict[str, Any]) -> None:
    raw = encoded(body)
    resolved = resolve(raw)
    assert resolved == Resolved(raw)
    assert resolved.raw is raw


@pytest.mark.parametrize("depth", [500, 1_200, 100_000])
@pytest.mark.parametrize(
    ("start", "opening", "closing"),
    [(b'{"a":', b"[", b"]"), (b'{"retriever":', b'{"text_similarity_reranker":{"retriever":', b"}}")],
)
def test_a_body_nested_too_deeply_is_returned_unchanged(
    start: bytes, opening: bytes, closing: bytes, depth: int
) -> None:
    body = start + opening * depth + b"1" + closing * depth + b"}"
    assert resolve(body).raw == body


@pytest.mark.parametrize(("levels", "native"), [(16, False), (17, True)])
def test_how_deeply_retrievers_can_be_nested(levels: int, *, native: bool) -> None:
    retriever: Any = {
        "text_similarity_reranker": {
            "retriever": {"standard": {"query": {"match_all": {}}}},
            "inference_text": "hose",
            "field": "body",
        }
    }
    for _ in range(levels):
        retriever = {"rrf": {"retrievers": [retriever]}}
    resolved = resolve(encoded({"retriever": retriever}))
    assert (resolved.native, resolved.rerank_request is None) == (native, native)
