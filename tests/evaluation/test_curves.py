from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from es_rerank.evaluation.curves import quality_by_window


def test_each_window_is_a_dot_at_its_quality() -> None:
    drawing = ET.fromstring(quality_by_window({50: 0.8, 10: 0.6, 20: 0.7}, 0.5))
    dots = list(drawing.iter("circle"))
    assert [title.text for dot in dots for title in dot] == ["0.600: window 10", "0.700: window 20", "0.800: window 50"]
    (x10, y10), (x20, y20), (x50, y50) = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in dots]
    assert (x20 - x10) / (x50 - x10) == pytest.approx(10 / 40, abs=0.01)
    assert y10 - y20 == pytest.approx(y20 - y50, abs=0.2)
    baseline, endpoint = drawing.iter("polyline")
    assert endpoint.attrib["points"] == f"{x10},{y10} {x20},{y20} {x50},{y50}"
    (left, level), (right, same) = (map(float, one.split(",")) for one in baseline.attrib["points"].split())
    assert (left, right, level) == (44, 392, same)
    assert level - y10 == pytest.approx(y10 - y20, abs=0.2)
    assert [text.text for text in drawing.iter("text")][-3:] == ["10", "20", "50"]


def test_equal_qualities_are_drawn_in_the_frame() -> None:
    drawing = ET.fromstring(quality_by_window({10: 1.0}, 1.0))
    (dot,) = drawing.iter("circle")
    assert 12 <= float(dot.attrib["cy"]) <= 190
