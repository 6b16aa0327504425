from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.evaluation.click_log import read_clicks
from es_rerank.evaluation.click_model import Impression
from es_rerank.evaluation.source import InputError

HEAD = "query,document,position,clicked\n"


def reading(tmp_path: Path, text: str) -> list[Impression]:
    (tmp_path / "clicks.csv").write_text(text, encoding="utf-8")
    return list(read_clicks(tmp_path / "clicks.csv"))


def test_each_row_is_an_impression(tmp_path: Path) -> None:
    assert reading(tmp_path, HEAD + '"garden  hose",a,1,0\nSchläuche,b,2,true\n') == [
        Impression("garden hose", "a", 1, clicked=False),
        Impression("Schläuche", "b", 2, clicked=True),
    ]


def test_columns_have_other_names_and_any_order(tmp_path: Path) -> None:
    text = "session\tRank\tDoc ID\tUser Query\tclick\n7\t3\tx\those\t1\n"
    assert reading(tmp_path, text) == [Impression("hose", "x", 3, clicked=True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query,document,clicked\n", "clicks.csv:1: position: the header has no column position or rank or ordinal"),
        (HEAD + "a,b,1,1\na,b,0,1\n", "clicks.csv:3: position: '0' is not a position: the first is 1"),
        (HEAD + "a,b,1.5,1\n", "clicks.csv:2: position: '1.5' is not a position"),
        (HEAD + "a,b,²,1\n", "clicks.csv:2: position: '²' is not a position"),
        (HEAD + "a,b,1,2\n", "clicks.csv:2: clicked: '2' is neither 1 nor 0"),
        (HEAD + " ,b,1,1\n", "clicks.csv:2: query: is empty"),
        (HEAD + "a,,1,1\n", "clicks.csv:2: document: is empty"),
    ],
)
def test_errors_name_file_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        reading(tmp_path, text)
    assert message in str(error.value)
