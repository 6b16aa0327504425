from __future__ import annotations

from pathlib import Path

import pytest

from es_rerank.evaluation.source import InputError, Source, column, read

NESTED = '{"a": 1,\n "rows": [\n  {"x": 1},\n  {"x":\n 2}\n ]}'


def source(text: str) -> Source:
    return Source(Path("f"), text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": is empty"),
        (b" \n\t\n", ": is empty"),
        (b"one\ntwo \xff\n", ":2: cannot be read: it is not UTF-8"),
    ],
)
def test_a_file_without_text_is_an_error_that_names_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value) == f"{path}{message}"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read: No such file"):
        read(tmp_path / "none.csv")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes("\ufeffid".encode())
    assert read(tmp_path / "f").text == "id"


@pytest.mark.parametrize(
    ("place", "field", "message"),
    [
        (None, "", "f: wrong"),
        (3, "", "f:3: wrong"),
        (3, "rating", "f:3: rating: wrong"),
        (("rows", 0), "", "f:3: wrong"),
        (("rows", 1, "x"), "x", "f:5: x: wrong"),
    ],
)
def test_an_error_names_file_line_and_field(place: object, field: str, message: str) -> None:
    assert str(source(NESTED).error(place, "wrong", field)) == message


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", [(1, ["a", "b"]), (2, ["1", "2"])]),
        ("a;b\n1,5;2\n", [(1, ["a", "b"]), (2, ["1,5", "2"])]),
        ('a\tb\n5" pipe\t2\n', [(1, ["a", "b"]), (2, ['5" pipe', "2"])]),
        ('a,b\n"two\nlines",2\n\nx,y\n', [(1, ["a", "b"]), (3, ["two\nlines", "2"]), (5, ["x", "y"])]),
    ],
)
def test_the_first_row_tells_the_delimiter(text: str, rows: object) -> None:
    assert list(source(text).rows()) == rows


def test_malformed_csv_names_the_line() -> None:
    with pytest.raises(InputError, match="f:2: not valid CSV"):
        list(source('a,b\n"x"y,2\n').rows())


@pytest.mark.parametrize(
    ("text", "message"), [("{}\n[1]", "f:2: must be a JSON object"), ('{}\n\n{"a":}', "f:3: not valid JSON")]
)
def test_malformed_json_lines_name_the_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(source(text).json_lines())


def test_malformed_json_names_the_line() -> None:
    with pytest.raises(InputError, match="f:2: not valid JSON"):
        source("[1,\n2").json()
    with pytest.raises(InputError, match="nested too deeply"):
        source("[" * 200_000).json()


def test_columns_are_found_whatever_their_case_and_separators() -> None:
    assert column(["Query Text", "Doc_ID", "rating"], ("docid",)) == 1
    assert column(["Query Text", "Doc_ID"], ("query", "querytext")) == 0
    assert column(["a"], ("b",)) is None
