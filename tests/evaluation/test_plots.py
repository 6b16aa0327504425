from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from es_rerank.evaluation import plots
from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.summary import summarize
from es_rerank.evaluation.values import Side

from .builders import comparison

SUMMARY = summarize(
    [
        comparison("win", {"a": 1.0}, ["b", "a"], ["a", "b"], lang="<en>"),
        comparison("loss", {"a": 1.0}, ["a", "b", "c"], ["b", "c", "a"], lang="a long language name"),
        comparison("equal", {"a": 1.0}, ["a"], ["a"], lang="a long language name"),
    ],
    Cutoffs(),
    "lang",
)


def numbers(element: ET.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


def test_each_changed_query_has_a_bar_above_or_below_the_axis() -> None:
    svg = ET.fromstring(plots.differences(SUMMARY.queries, "nDCG@10"))
    (axis,) = svg.iter("line")
    bars = {bar.attrib["class"]: bar for bar in svg.iter("rect")}
    assert len(list(svg.iter("rect"))) == 2
    zero = float(axis.attrib["y1"])
    top, height = numbers(bars["win"], "y", "height")
    assert top + height == pytest.approx(zero)
    assert float(bars["loss"].attrib["y"]) == pytest.approx(zero)
    # The greatest win is on the left. Heights are proportional to the changes of .369 and -.5.
    assert float(bars["win"].attrib["x"]) < float(bars["loss"].attrib["x"])
    assert height / float(bars["loss"].attrib["height"]) == pytest.approx(0.369 / 0.5, abs=0.001)
    assert [title.text for title in bars["win"].iter("title")] == ["text of win: 0.631 to 1.000"]
    assert [text.text for text in svg.iter("text")] == ["+0.50", "0", "-0.50"]


def test_equal_rankings_have_no_bars() -> None:
    svg = ET.fromstring(plots.differences(SUMMARY.queries[1:2], "nDCG@10"))
    assert list(svg.iter("rect")) == []


def test_each_group_has_two_dots_at_its_values() -> None:
    svg = ET.fromstring(plots.by_group(SUMMARY.groups))
    dots = list(svg.iter("circle"))
    assert [dot.attrib["class"] for dot in dots] == ["baseline", "endpoint"] * 2
    labels = [text.text for text in svg.iter("text")]
    assert "<en> (1)" in labels
    assert "a long langua…" in labels
    grid = [float(line.attrib["x1"]) for line in svg.iter("line") if line.attrib["class"] == "grid"]
    left, right = min(grid), max(grid)
    values = [(float(dot.attrib["cx"]) - left) / (right - left) for dot in dots]
    assert values == pytest.approx([0.631, 1.0, 1.0, 0.75], abs=0.002)
    assert [line.attrib["class"] for line in svg.iter("line") if "thick" in line.attrib["class"]] == [
        "win thick",
        "loss thick",
    ]


@pytest.mark.parametrize("seconds", [[0.01, 0.02, 0.4], [0.5], [1.0, 1.0], [0.0, 3.0]])
def test_times_rise_from_no_search_to_all_searches(seconds: list[float]) -> None:
    svg = ET.fromstring(plots.times({Side.BASELINE: seconds, Side.ENDPOINT: [2 * value for value in seconds]}))
    lines = list(svg.iter("polyline"))
    assert [line.attrib["class"] for line in lines] == ["baseline curve", "endpoint curve"]
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert len(points) == len(seconds) + 1
        assert points == sorted(points, key=lambda point: (point[0], -point[1]))
        assert points[-1][1] == 10
        assert all(0 <= x <= 400 for x, _ in points)


def test_the_axis_of_times_has_powers_of_ten() -> None:
    svg = ET.fromstring(plots.times({Side.BASELINE: [0.02], Side.ENDPOINT: [3.0]}))
    assert [text.text for text in svg.iter("text")][3:] == ["10 ms", "100 ms", "1 s", "10 s"]
