from __future__ import annotations

import math
import struct
from base64 import b64encode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.backends import BACKENDS, BadAnswerError, RerankCall
from es_rerank.rerank.vectors import Precision, VectorLengthError, cosines, unit_vectors, vector_backend

DIMENSIONS = 8
VALUES = st.lists(
    st.floats(-1e6, 1e6, width=32).filter(lambda value: abs(value) > 1e-3), min_size=DIMENSIONS, max_size=DIMENSIONS
)
# Largest difference from the exact cosine, per precision.
ERROR = {Precision.HALF: 1e-3, Precision.SINGLE: 1e-6}


def single(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def half(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}e", *values)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def test_vectors_are_divided_by_their_lengths_and_rounded() -> None:
    vectors = [single(3.0, 4.0), single(-1e30, 0.0)]
    assert unit_vectors(vectors, Precision.SINGLE) == [single(0.6, 0.8), single(-1.0, 0.0)]
    assert unit_vectors(vectors, Precision.HALF) == [half(0.6, 0.8), half(-1.0, 0.0)]


def test_a_vector_without_direction_has_the_cosine_0() -> None:
    (none,) = unit_vectors([single(0.0, 0.0)], Precision.SINGLE)
    assert cosines(single(1.0, 0.0), [none], Precision.SINGLE) == [0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(BadAnswerError):
        unit_vectors([single(1.0, 0.0), single(0.5, value)], Precision.HALF)


@pytest.mark.parametrize("precision", Precision)
@given(query=VALUES, passages=st.lists(VALUES, min_size=1, max_size=5))
def test_scores_are_cosines(precision: Precision, query: list[float], passages: list[list[float]]) -> None:
    first, *rest = unit_vectors([single(*query), *(single(*one) for one in passages)], precision)
    expected = [cosine(query, one) for one in passages]
    assert cosines(first, rest, precision) == pytest.approx(expected, abs=ERROR[precision])


@given(query=VALUES, passages=st.lists(VALUES, min_size=2, max_size=9), at=st.integers(0))
def test_a_score_does_not_depend_on_the_other_passages(
    query: list[float], passages: list[list[float]], at: int
) -> None:
    first, *rest = unit_vectors([single(*query), *(single(*one) for one in passages)], Precision.HALF)
    at %= len(rest)
    alone = cosines(first, [rest[at]], Precision.HALF)
    assert cosines(first, rest, Precision.HALF)[at] == pytest.approx(alone[0], abs=1e-15)


def test_no_passages_have_no_scores() -> None:
    assert cosines(half(1.0, 0.0), [], Precision.HALF) == []


@pytest.mark.parametrize("passages", [[half(1.0)], [half(1.0, 0.0), half(1.0, 0.0, 0.0)]])
def test_vectors_of_different_models_are_an_error(passages: list[bytes]) -> None:
    with pytest.raises(VectorLengthError):
        cosines(half(1.0, 0.0), passages, Precision.HALF)


@pytest.mark.parametrize("precision", Precision)
def test_the_backend_turns_an_answer_into_scores(precision: Precision) -> None:
    backend = vector_backend(BACKENDS["vllm"], precision)
    assert (backend.path, backend.has_vectors, backend.max_batch) == ("/v1/embeddings", True, 256)
    assert backend.encode(RerankCall("", ["q", "a"], "m"))["input"] == ["q", "a"]
    vectors = [single(1.0, 0.0), single(3.0, 4.0), single(0.0, -2.0)]
    rows = [{"index": at, "embedding": b64encode(vector).decode()} for at, vector in enumerate(vectors)]
    values = backend.decode({"data": rows[::-1]}, 3)
    assert [len(value) for value in values] == [{Precision.HALF: 4, Precision.SINGLE: 8}[precision]] * 3
    assert backend.scores(values) == pytest.approx([0.6, 0.0], abs=ERROR[precision])
