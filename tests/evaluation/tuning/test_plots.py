from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from es_rerank.evaluation.tuning import plots
from es_rerank.evaluation.tuning.summary import TuneSummary

from .builders import Pool, pools, summary

BETTER = pools(10, 1, (0.1, 0.9, 0.2, 0.3))
NOTHING = pools(6, 0, (0.2, 0.9, 0.3, 0.4))


@pytest.mark.parametrize("found", [BETTER, NOTHING])
@pytest.mark.parametrize("plot", [plots.by_cost, plots.by_window])
def test_the_plots_are_drawings_within_their_frame(plot: Callable[[TuneSummary], str], found: list[Pool]) -> None:
    drawing = ET.fromstring(plot(summary(found)[0]))
    width, height = map(float, drawing.attrib["viewBox"].split()[2:])
    dots = drawing.findall("circle")
    assert dots
    for dot in dots:
        assert 0 <= float(dot.attrib["cx"]) <= width
        assert 0 <= float(dot.attrib["cy"]) <= height
        title = dot.find("title")
        assert title is not None
        assert "window" in (title.text or "")


def test_each_reading_and_window_is_a_dot_and_each_window_of_the_chosen_variant() -> None:
    found, _ = summary(BETTER)
    assert plots.by_cost(found).count("<circle") == len(found.places) + 1
    assert plots.by_window(found).count("<circle") == 2
