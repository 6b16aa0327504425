from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank_client.pair_keys import pair_keys

PARTS = st.lists(st.text(max_size=3), max_size=3)


@given(PARTS, PARTS)
def test_no_two_different_pairs_have_equal_keys(one: list[str], other: list[str]) -> None:
    (first,), (second,) = (pair_keys(parts[:-1], [parts[-1].encode() if parts else b""]) for parts in (one, other))
    assert (first == second) is ((one or [""]) == (other or [""]))


@given(PARTS, st.lists(st.binary(max_size=3), max_size=3))
def test_the_key_of_a_passage_does_not_depend_on_those_beside_it(common: list[str], passages: list[bytes]) -> None:
    assert pair_keys(common, passages) == [key for passage in passages for key in pair_keys(common, [passage])]


def test_a_key_is_a_digest_of_the_shared_parts_and_the_passage() -> None:
    shared = blake2b(b"5:model0:4:hose", digest_size=16).digest()
    digest = blake2b(shared + b"\xc3\xbc-a", digest_size=16).digest()
    assert pair_keys(["model", "", "hose"], ["\u00fc-a".encode()]) == [digest]


def test_a_lone_surrogate_is_no_error() -> None:
    (key,) = pair_keys(["\ud800"], [b"a"])
    assert len(key) == 16
