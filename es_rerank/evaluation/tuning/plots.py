"""Draws the plots of the tuning report as inline SVG: quality against cost, and quality against the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from es_rerank.evaluation.plots import LEFT, RIGHT, WIDTH, label, svg
from es_rerank.evaluation.tuning.summary import Point, TuneSummary
from es_rerank.evaluation.tuning.wording import description

_HEIGHT, _TOP, _BOTTOM = 220, 12, 190
_TICKS = 4
Scale = Callable[[float], float]
Plot = Callable[[TuneSummary], str]
"""Draws one plot of the tuning report."""


def by_cost(summary: TuneSummary) -> str:
    """Plot the quality of the best policy of each variant and window against its tokens per search."""
    highest = max(point.cost.tokens for point in summary.places) or 1.0
    x, y = _scale((0, highest), (LEFT, WIDTH - RIGHT)), _quality(summary)
    dots = [_dot(summary, point, (x(point.cost.tokens), y(point.value)), "endpoint") for point in summary.places]
    line = _line([(x(point.cost.tokens), y(point.value)) for point in summary.frontier()], "endpoint")
    chosen = _dot(summary, summary.chosen, (x(summary.chosen.cost.tokens), y(summary.chosen.value)), "win")
    ticks = [_x_tick(x, highest * at / _TICKS) for at in range(_TICKS + 1)]
    return _plot("Quality against tokens per search", [*_y_axis(summary, y), *ticks, line, *dots, chosen])


def by_window(summary: TuneSummary) -> str:
    """Plot the quality of the best policy of each window, with the variant of the chosen rule."""
    variant = summary.chosen.candidate.place[0]
    points = [point for point in summary.places if point.candidate.place[0] == variant]
    highest = max(point.candidate.place[1] for point in points)
    x, y = _scale((0, highest), (LEFT, WIDTH - RIGHT)), _quality(summary)
    places = [(x(point.candidate.place[1]), y(point.value)) for point in points]
    dots = [_dot(summary, point, place, "endpoint") for point, place in zip(points, places, strict=True)]
    ticks = [_x_tick(x, point.candidate.place[1]) for point in points]
    return _plot("Quality against the window", [*_y_axis(summary, y), *ticks, _line(places, "endpoint"), *dots])


def _quality(summary: TuneSummary) -> Scale:
    """Return the function that maps a quality to a vertical position in pixels."""
    low, high = _range(summary)
    return _scale((low, high), (_BOTTOM, _TOP))


def _range(summary: TuneSummary) -> tuple[float, float]:
    """Return the lowest and the highest quality on the vertical axis, with a margin."""
    values = [summary.engine, summary.chosen.value, *(point.value for point in summary.places)]
    room = (max(values) - min(values)) * 0.1 or 0.05
    return max(0.0, min(values) - room), min(1.0, max(values) + room)


def _scale(source: tuple[float, float], target: tuple[float, float]) -> Scale:
    """Return the linear function that maps one interval to another."""
    factor = (target[1] - target[0]) / ((source[1] - source[0]) or 1.0)
    return lambda value: target[0] + (value - source[0]) * factor


def _y_axis(summary: TuneSummary, y: Scale) -> list[str]:
    """Return the horizontal grid lines with their numbers, and a line at the quality of the engine's order."""
    low, high = _range(summary)
    values = [low + (high - low) * at / _TICKS for at in range(_TICKS + 1)]
    grid = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        + label(LEFT - 6, y(value) + 4, f"{value:.2f}", "end")
        for value in values
    ]
    engine = _line([(LEFT, y(summary.engine)), (WIDTH - RIGHT, y(summary.engine))], "baseline")
    return [*grid, engine]


def _x_tick(x: Scale, value: float) -> str:
    """Return a number below the horizontal axis."""
    return label(x(value), _BOTTOM + 18, f"{value:,.0f}", "middle" if value else "start")


def _dot(summary: TuneSummary, point: Point, place: tuple[float, float], kind: str) -> str:
    """Return the dot of a rule, with the rule's description as a tooltip."""
    text = escape(f"{point.value:.3f}: {description(point.candidate, summary.variants)}")
    return f'<circle class="{kind}" cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="4.5"><title>{text}</title></circle>'


def _line(places: Sequence[tuple[float, float]], kind: str) -> str:
    """Return a line through points, given in pixels."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline class="{kind} curve" points="{points}"/>'


def _plot(title: str, parts: Sequence[str]) -> str:
    """Return a plot with these SVG elements."""
    return svg(_HEIGHT, title, "".join(parts))
