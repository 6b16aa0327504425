"""Creates the plots of the tuning report as inline SVG: quality against tokens, and quality against the window."""

from __future__ import annotations

from es_rerank.evaluation.curves import Axes, Dot, curve_plot
from es_rerank.evaluation.tuning.summary import Point, TuneSummary
from es_rerank.evaluation.tuning.wording import description

_TICKS = 4


def by_cost(summary: TuneSummary) -> str:
    """Return an SVG plot of quality against tokens per search, for the best policy of each variant and window."""
    highest = max(point.cost.tokens for point in summary.places) or 1.0
    ticks = [highest * at / _TICKS for at in range(_TICKS + 1)]
    dots = [_dot(summary, point, point.cost.tokens) for point in summary.places]
    chosen = _dot(summary, summary.chosen, summary.chosen.cost.tokens, "win")
    line = [(point.cost.tokens, point.value) for point in summary.frontier()]
    return curve_plot(_axes("Quality against tokens per search", summary, ticks), [*dots, chosen], line)


def by_window(summary: TuneSummary) -> str:
    """Return an SVG plot of quality against the window, for the best policy with the variant of the chosen rule."""
    variant = summary.chosen.candidate.place[0]
    points = [point for point in summary.places if point.candidate.place[0] == variant]
    dots = [_dot(summary, point, point.candidate.place[1]) for point in points]
    axes = _axes("Quality against the window", summary, [dot.x for dot in dots])
    return curve_plot(axes, dots, [(dot.x, dot.quality) for dot in dots])


def _axes(title: str, summary: TuneSummary, ticks: list[float]) -> Axes:
    """Return the axes of a plot. Both plots have the same vertical axis."""
    qualities = [summary.chosen.value, *(point.value for point in summary.places)]
    return Axes(title, ticks, summary.engine, qualities)


def _dot(summary: TuneSummary, point: Point, x: float, kind: str = "endpoint") -> Dot:
    """Return the dot of a rule, with its description."""
    text = f"{point.value:.3f}: {description(point.candidate, summary.variants)}"
    return Dot(x, point.value, text, kind)
