"""Measures how much reranking changes the order of hits (shadow mode), and decides if a search is in the sample."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

# Number of hits on a typical first page.
_OVERLAP_DEPTH = 10
# The parameter p of rank-biased overlap: the probability that a user who looks at a hit also looks at the next one.
_PERSISTENCE = 0.9


class Change(NamedTuple):
    """Measures of the difference between a new order and the engine's order.

    Attributes:
        overlap: Share of the engine's first ten hits that remain among the first ten, from 0 to 1.
        rbo: Rank-biased overlap of the new order and the engine's, from 0 to 1.
        top: Whether the first hit changed.

    """

    overlap: float
    rbo: float
    top: bool


def change(order: Sequence[int]) -> Change:
    """Return how much a new order differs from the engine's order.

    Args:
        order: For each rank, the hit's position in the engine's order; not empty.

    """
    depth = min(_OVERLAP_DEPTH, len(order))
    common = sum(index < depth for index in order[:depth])
    return Change(common / depth, _rbo(order), order[0] != 0)


def rank_change(order: Sequence[int]) -> float | None:
    """Return the mean difference between the new rank and the engine's rank of the first ten hits; None without hits.

    Args:
        order: For each rank, the hit's position in the engine's order.

    """
    first = order[:_OVERLAP_DEPTH]
    return sum(abs(index - rank) for rank, index in enumerate(first)) / len(first) if first else None


def _rbo(order: Sequence[int]) -> float:
    """Return the rank-biased overlap with the engine's order, extrapolated beyond the last hit.

    Formula: Webber, Moffat and Zobel, "A Similarity Measure for Indefinite Rankings", TOIS 28(4), 2010, equation 30,
    for two orders of the same length k: RBO = A(k) p^k + (1 - p) / p * sum over d of A(d) p^d, where the agreement A(d)
    is the share of hits that the first d hits of the two orders have in common.
    """
    seen: set[int] = set()
    common, agreement, total = 0, 0.0, 0.0
    for depth, index in enumerate(order, 1):
        # At each depth, each order adds a hit: the new order adds `index`, the engine's order adds `depth - 1`. Count
        # each of them if the other order already contains it.
        common += (index < depth) + (depth - 1 in seen)
        seen.add(index)
        agreement = common / depth
        total += agreement * _PERSISTENCE**depth
    return float(agreement * _PERSISTENCE ** len(order) + (1 - _PERSISTENCE) / _PERSISTENCE * total)


def in_sample(key: str, sample_rate: float) -> bool:
    """Return whether a key is in the sample. The result depends only on the arguments, so all replicas agree.

    Args:
        key: Identifies the search or its session.
        sample_rate: Share of keys in the sample, from 0 to 1. Raising the rate keeps the keys that are already in.

    """
    digest = blake2b(key.encode("utf-8", "replace"), digest_size=8, person=b"es-rerank").digest()
    return int.from_bytes(digest) < sample_rate * 2**64
