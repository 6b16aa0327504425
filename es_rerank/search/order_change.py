"""Measures how much a new order differs from the engine's, for shadow mode; draws the searches of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

# The hits of a first page.
_OVERLAP_DEPTH = 10
# The parameter p of rank-biased overlap: the probability that a person who looked at a hit looks at the next one.
_PERSISTENCE = 0.9


class Change(NamedTuple):
    """How much an order differs from the engine's.

    Attributes:
        overlap: share of the first ten hits that stay among the first ten, in [0, 1].
        rbo: rank-biased overlap of both orders, in [0, 1].
        top: whether the first hit changed.

    """

    overlap: float
    rbo: float
    top: bool


def change(order: Sequence[int]) -> Change:
    """Compare an order with the engine's.

    Args:
        order: for each place, the index of the hit in the engine's order; at least one hit.

    """
    depth = min(_OVERLAP_DEPTH, len(order))
    common = sum(index < depth for index in order[:depth])
    return Change(common / depth, _rbo(order), order[0] != 0)


def _rbo(order: Sequence[int]) -> float:
    """Return rank-biased overlap, extrapolated from the agreement at the end of both orders.

    Formula: Webber, Moffat and Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 28(4), 2010, equation 30
    for orders of the same length k: RBO = A(k) p^k + (1 - p) / p * sum over d of A(d) p^d, where the agreement A(d)
    is the share of hits that both orders have among their first d.
    """
    seen: set[int] = set()
    common, agreement, total = 0, 0.0, 0.0
    for depth, index in enumerate(order, 1):
        # At each depth both orders gain a hit: `index` here, `depth - 1` in the engine's. Either may complete a pair.
        common += (index < depth) + (depth - 1 in seen)
        seen.add(index)
        agreement = common / depth
        total += agreement * _PERSISTENCE**depth
    return float(agreement * _PERSISTENCE ** len(order) + (1 - _PERSISTENCE) / _PERSISTENCE * total)


def in_sample(key: str, sample_rate: float) -> bool:
    """Return whether a key is in a sample; the answer depends on nothing else, so that all replicas agree.

    Args:
        key: what identifies the search or its session.
        sample_rate: share of keys in the sample, 0 to 1. The sample of a lower rate is part of that of a higher one.

    """
    digest = blake2b(key.encode("utf-8", "replace"), digest_size=8, person=b"es-rerank").digest()
    return int.from_bytes(digest) < sample_rate * 2**64
