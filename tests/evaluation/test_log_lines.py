from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.evaluation.log_lines import json_objects, table_rows
from es_rerank.evaluation.source import InputError


def file(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "log").write_bytes(content)
    return tmp_path / "log"


def test_blank_lines_count_as_lines(tmp_path: Path) -> None:
    assert list(json_objects(file(tmp_path, b'\xef\xbb\xbf{"a": 1}\n\n{"a": 2}'))) == [(1, {"a": 1}), (3, {"a": 2})]


def test_cells_may_have_several_lines(tmp_path: Path) -> None:
    rows = list(table_rows(file(tmp_path, b'a,b\r\n"1\n2", 3\r\n\r\n4,5\r\n')))
    assert rows == [(1, ["a", "b"]), (3, ["1\n2", "3"]), (5, ["4", "5"])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_first_line_tells_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    rows = list(table_rows(file(tmp_path, f"a{delimiter}b\n1.5 | x{delimiter}2\n".encode())))
    assert rows == [(1, ["a", "b"]), (2, ["1.5 | x", "2"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a"', "log:2: not valid JSON"),
        (b"[1]", "log:1: must be a JSON object"),
        (b"[" * 100_000, "log:1: not valid JSON: nested too deeply"),
        (b'{"a": 1}\n\xff', "log:2: cannot be read: it is not UTF-8"),
    ],
)
def test_a_malformed_line_is_an_error_with_its_number(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(json_objects(file(tmp_path, content)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "log: is empty"),
        (b"a,b\n1,2,3\n", "log:2: has 3 columns; the header has 2"),
        (b'a,b\n1,"2\n', "log:2: not valid CSV"),
    ],
)
def test_a_malformed_row_is_an_error_with_its_number(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(table_rows(file(tmp_path, content)))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing: cannot be read: No such file"):
        list(json_objects(tmp_path / "missing"))
