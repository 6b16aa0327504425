from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.cache_keys import common_digest, passage_keys

PARTS = st.lists(st.text(max_size=3), max_size=3)
DIGESTS = st.binary(min_size=2, max_size=2)
NUMBERS = st.integers(0, 20)


@given(PARTS, PARTS)
def test_no_two_different_sequences_of_parts_have_equal_digests(one: list[str], other: list[str]) -> None:
    assert (common_digest(one) == common_digest(other)) is (one == other)


@given(st.tuples(PARTS, DIGESTS, NUMBERS), st.tuples(PARTS, DIGESTS, NUMBERS))
def test_no_two_different_pairs_have_equal_keys(
    one: tuple[list[str], bytes, int], other: tuple[list[str], bytes, int]
) -> None:
    first, second = (passage_keys(parts, [digest], [[number]]) for parts, digest, number in (one, other))
    assert (first == second) is (one == other)


@given(PARTS, st.lists(st.tuples(DIGESTS, st.lists(NUMBERS, max_size=3)), max_size=3))
def test_the_keys_of_a_document_do_not_depend_on_those_beside_it(
    common: list[str], documents: list[tuple[bytes, list[int]]]
) -> None:
    keys = passage_keys(common, [digest for digest, _ in documents], [numbers for _, numbers in documents])
    assert keys == [row for digest, numbers in documents for row in passage_keys(common, [digest], [numbers])]


def test_a_key_is_the_digest_of_the_common_parts_the_digest_of_the_document_and_the_number_of_the_passage() -> None:
    shared = blake2b(b"5:model0:4:hose", digest_size=14).digest()
    assert common_digest(["model", "", "hose"]) == shared
    assert passage_keys(["model", "", "hose"], [b"ab", b"cd"], [[0], [0, 12]]) == [
        [shared + b"ab0"],
        [shared + b"cd0", shared + b"cd12"],
    ]


def test_a_lone_surrogate_is_no_error() -> None:
    assert len(common_digest(["\ud800"])) == 14
