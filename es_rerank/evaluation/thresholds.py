"""The conditions of `--fail-under`, such as `ndcg@10>=0.45`. The command fails unless the result meets all of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.errors import EsRerankError
from es_rerank.evaluation.summary import Summary

_CONDITION = re.compile(r"^\s*([a-z]+@\d+)\s*(>=|>)\s*([\d.]+|baseline)\s*$", re.IGNORECASE)
_BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition on a measure of the endpoint.

    Attributes:
        text: The condition as it was written.
        measure: Name of the measure, such as `ndcg@10`.
        above: Whether the value must be greater than the bound. If not, an equal value is enough.
        bound: The bound; None if it is the value of the baseline.

    """

    text: str
    measure: str
    above: bool
    bound: float | None

    def failure(self, summary: Summary) -> str | None:
        """Return an error message if the result does not meet the condition, otherwise None."""
        row = next(row for row in summary.total.rows if row.measure.name == self.measure)
        bound = row.baseline if self.bound is None else self.bound
        met = row.endpoint > bound if self.above else row.endpoint >= bound
        return None if met else f"{self.text}: {row.measure.title} is {row.endpoint:.4f}, the bound is {bound:.4f}"


def parse_threshold(text: str, names: Sequence[str]) -> Threshold:
    """Parse a condition of `--fail-under`.

    Args:
        text: A measure, `>=` or `>`, and a number or `baseline`.
        names: The names of the measures.

    Raises:
        EsRerankError: If the condition is malformed, or its measure is not in *names*.

    """
    match = _CONDITION.match(text)
    if not match or match[1].lower() not in names:
        raise EsRerankError(
            f"--fail-under: {text!r} must be a measure, >= or >, and a number or `baseline`, such as "
            f"'{names[0]}>=0.45'; the measures are {', '.join(names)}"
        )
    try:
        bound = None if match[3].lower() == _BASELINE else float(match[3])
    except ValueError:
        bound = math.nan
    if bound is not None and not math.isfinite(bound):
        raise EsRerankError(f"--fail-under: {match[3]!r} is not a number")
    return Threshold(text.strip(), match[1].lower(), match[2] == ">", bound)
