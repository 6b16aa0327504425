"""Creates plots of search quality against a number, such as the window, as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from es_rerank.evaluation.plots import LEFT, RIGHT, WIDTH, label, svg

_HEIGHT, _TOP, _BOTTOM = 220, 12, 190
_TICKS = 4
_Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Dot:
    """A dot of a plot: its number on the horizontal axis, its quality, its description, and its CSS class."""

    x: float
    quality: float
    title: str
    kind: str = "endpoint"


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of a plot, and its title.

    Attributes:
        title: The title, for screen readers.
        ticks: The numbers below the horizontal axis.
        baseline: The quality of the baseline, which is shown as a horizontal line.
        qualities: The qualities in the plot, from which the range of the vertical axis is computed.

    """

    title: str
    ticks: Sequence[float]
    baseline: float
    qualities: Sequence[float]


def curve_plot(axes: Axes, dots: Sequence[Dot], line: Iterable[tuple[float, float]]) -> str:
    """Return an SVG plot of dots, and of a line through points. Each point is a number and its quality."""
    low, high = _range([axes.baseline, *axes.qualities])
    x = _scale((0, max(*axes.ticks, 1.0)), (LEFT, WIDTH - RIGHT))
    y = _scale((low, high), (_BOTTOM, _TOP))
    levels = [low + (high - low) * at / _TICKS for at in range(_TICKS + 1)]
    parts = [
        *(_level(y(value), value) for value in levels),
        _line([(LEFT, y(axes.baseline)), (WIDTH - RIGHT, y(axes.baseline))], "baseline"),
        *(label(x(tick), _BOTTOM + 18, f"{tick:,.0f}", "middle" if tick else "start") for tick in axes.ticks),
        _line([(x(number), y(quality)) for number, quality in line], "endpoint"),
        *(_dot((x(dot.x), y(dot.quality)), dot) for dot in dots),
    ]
    return svg(_HEIGHT, axes.title, "".join(parts))


def quality_by_window(qualities: Mapping[int, float], baseline: float) -> str:
    """Return an SVG plot of the quality of the endpoint with each window. *qualities* has the quality by window."""
    points = sorted(qualities.items())
    dots = [Dot(window, quality, f"{quality:.3f}: window {window}") for window, quality in points]
    axes = Axes("Quality against the window", sorted(qualities), baseline, list(qualities.values()))
    return curve_plot(axes, dots, points)


def _range(qualities: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest quality on the vertical axis, with a margin."""
    room = (max(qualities) - min(qualities)) * 0.1 or 0.05
    return max(0.0, min(qualities) - room), min(1.0, max(qualities) + room)


def _scale(source: tuple[float, float], target: tuple[float, float]) -> _Scale:
    """Return the linear function that maps one interval to another."""
    factor = (target[1] - target[0]) / ((source[1] - source[0]) or 1.0)
    return lambda value: target[0] + (value - source[0]) * factor


def _level(y: float, value: float) -> str:
    """Return the SVG of a horizontal grid line with its number."""
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + label(LEFT - 6, y + 4, f"{value:.2f}", "end")


def _dot(place: tuple[float, float], dot: Dot) -> str:
    """Return the SVG of a dot with its description."""
    title = f"<title>{escape(dot.title)}</title>"
    return f'<circle class="{dot.kind}" cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="4.5">{title}</circle>'


def _line(places: Sequence[tuple[float, float]], kind: str) -> str:
    """Return the SVG of a line through points, given in pixels. *kind* is a CSS class."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline class="{kind} curve" points="{points}"/>'
