"""Draws the plots of the report as inline SVG. Colors are defined by CSS classes in the report's style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from es_rerank.evaluation.summary import Group, QueryChange
from es_rerank.evaluation.values import Side

# All lengths are in pixels. A plot is as wide as the screen of a small phone, so that its text can be read there.
WIDTH = 400
LEFT, RIGHT = 44, 8
INNER = WIDTH - LEFT - RIGHT
_LABEL_CHARACTERS = 14
_BAR_GAP = 0.15
_BARS_WITH_GAPS = 120


def differences(changes: Sequence[QueryChange], title: str) -> str:
    """Return an SVG plot of the change of the measure *title*, with one bar per query, from best to worst."""
    height, middle = 190, 95
    highest = max((abs(one.change) for one in changes), default=0.0) or 1.0
    step = INNER / max(len(changes), 1)
    width = step * (1 - _BAR_GAP) if len(changes) <= _BARS_WITH_GAPS else step
    bars = [
        _bar(one, (LEFT + at * step, middle), width, one.change / highest * (middle - 15))
        for at, one in enumerate(reversed(changes))
        if one.change
    ]
    ticks = "".join(
        label(LEFT - 6, middle - share * (middle - 15) + 4, f"{share * highest:+.2f}" if share else "0", "end")
        for share in (1, 0, -1)
    )
    line = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{middle}" y2="{middle}"/>'
    return svg(height, f"Change of {title} for each query", "".join(bars) + line + ticks)


def _bar(one: QueryChange, zero: tuple[float, float], width: float, height: float) -> str:
    """Return the SVG of the bar of a query.

    Args:
        one: The query.
        zero: The left end of the bar on the horizontal axis, in pixels.
        width: Width in pixels.
        height: Height in pixels; negative if the query got worse.

    """
    kind = "win" if height > 0 else "loss"
    top = zero[1] - max(height, 0)
    name = escape(f"{one.comparison.query.text}: {one.baseline:.3f} to {one.endpoint:.3f}")
    return (
        f'<rect class="{kind}" x="{zero[0]:.2f}" y="{top:.2f}" width="{width:.2f}" height="{abs(height):.2f}">'
        f"<title>{name}</title></rect>"
    )


def by_group(groups: Sequence[Group]) -> str:
    """Return an SVG plot of the first measure by group, from 0 to 1, with dots for the baseline and the endpoint."""
    step, left = 26, 110
    scale = WIDTH - left - 2 * RIGHT
    height = step * len(groups) + 24
    parts = [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 20}"/>'
        + label(x, height - 6, f"{share:g}", "middle")
        for share in (0, 0.25, 0.5, 0.75, 1)
        for x in (left + share * scale,)
    ]
    for at, group in enumerate(groups):
        row, y = group.rows[0], step * at + step / 2
        before, after = (left + value * scale for value in (row.baseline, row.endpoint))
        kind = "win" if after >= before else "loss"
        parts += [
            label(left - 8, y + 4, _short(f"{group.name} ({group.queries})"), "end"),
            f'<line class="{kind} thick" x1="{before:.1f}" x2="{after:.1f}" y1="{y}" y2="{y}"/>',
            f'<circle class="{Side.BASELINE}" cx="{before:.1f}" cy="{y}" r="4.5"/>',
            f'<circle class="{Side.ENDPOINT}" cx="{after:.1f}" cy="{y}" r="4.5"/>',
        ]
    return svg(height, "The first measure by group, of the baseline and the endpoint", "".join(parts))


def times(seconds: Mapping[Side, Sequence[float]]) -> str:
    """Return an SVG plot of the cumulative distribution of search times in seconds, on a logarithmic time axis."""
    height, bottom = 190, 165
    every = [max(value, 1e-4) for values in seconds.values() for value in values]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    high = max(high, low + 1)

    def x(value: float) -> float:
        return LEFT + (math.log10(max(value, 1e-4)) - low) / (high - low) * INNER

    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        + label(LEFT - 6, y + 4, f"{share:.0%}".replace("%", " %"), "end")
        for share in (0, 0.5, 1)
        for y in (bottom - share * (bottom - 10),)
    ]
    for power in range(low, high + 1):
        anchor = {low: "start", high: "end"}.get(power, "middle")
        parts.append(label(x(10.0**power), height - 6, _duration(10.0**power), anchor))
    for side, values in seconds.items():
        ordered = sorted(values)
        points = [(x(value), bottom - (at / len(ordered)) * (bottom - 10)) for at, value in enumerate(ordered, 1)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in [(points[0][0], bottom), *points])
        parts.append(f'<polyline class="{side} curve" points="{path}"/>')
    return svg(height, "Share of searches by time", "".join(parts))


def _duration(seconds: float) -> str:
    """Return a time as text, in seconds or milliseconds."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _short(text: str) -> str:
    """Return the start of a text that fits to the left of a plot."""
    return text if len(text) <= _LABEL_CHARACTERS else f"{text[: _LABEL_CHARACTERS - 1]}…"


def label(x: float, y: float, text: str, anchor: str) -> str:
    """Return an SVG text element at a position in pixels. *anchor* is `start`, `middle` or `end`."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def svg(height: float, label: str, content: str) -> str:
    """Return an SVG element, which the style sheet scales to the width of the page."""
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{content}</svg>'
