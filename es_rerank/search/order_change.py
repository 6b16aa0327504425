"""How much a new order differs from the engine's, for those who want to know before they show it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

# What people see without paging, and how soon they lose patience on the way down.
_DEPTH = 10
_PERSISTENCE = 0.9


class Change(NamedTuple):
    """Share of the first ten that stay among the first ten, rank-biased overlap, and whether the first hit changed."""

    overlap: float
    rbo: float
    top: bool


def change(order: Sequence[int]) -> Change:
    """Compare an order, given as places of the engine's, with the engine's own; it holds at least one hit."""
    depth = min(_DEPTH, len(order))
    stay = sum(place < depth for place in order[:depth])
    return Change(stay / depth, _rbo(order), order[0] != 0)


def _rbo(order: Sequence[int]) -> float:
    """Compute rank-biased overlap, extrapolated from the agreement at the end of both lists.

    Formula: Webber, Moffat and Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 28(4), 2010, equation 30
    for lists of the same length: RBO = A(k) p^k + (1 - p) / p * sum over d of A(d) p^d, A being the agreement at d.
    """
    seen: set[int] = set()
    both, agreed, total = 0, 0.0, 0.0
    for depth, place in enumerate(order, 1):
        # The engine's next is its place `depth - 1`; what is new here may be among its first, and it among ours.
        both += (place < depth) + (depth - 1 in seen)
        seen.add(place)
        agreed = both / depth
        total += agreed * _PERSISTENCE**depth
    return float(agreed * _PERSISTENCE ** len(order) + (1 - _PERSISTENCE) / _PERSISTENCE * total)


def in_sample(key: str, share: float) -> bool:
    """Draw for a share of all keys, for each the same every time and on every machine."""
    number = int.from_bytes(blake2b(key.encode("utf-8", "replace"), digest_size=8, person=b"es-rerank").digest())
    return number < share * 2**64
