from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from es_rerank.search.paging import body_integer, has_invalid_page, page, url_integer
from tests.search.builders import a_search


@pytest.mark.parametrize(
    ("params", "body", "expected"),
    [
        ({}, {}, (0, 10)),
        ({}, {"from": 5, "size": 3}, (5, 3)),
        ({"from": "7"}, {"from": 5, "size": 3}, (7, 3)),
        ({"size": "0"}, {"size": 3}, (0, 0)),
        ({"size": "3"}, {"size": None}, (0, 3)),
        ({}, {"from": "5", "size": "3"}, (5, 3)),
    ],
)
def test_url_parameters_of_the_page_take_precedence(
    params: dict[str, str], body: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert page(a_search(body, params)) == expected


def read(number: Callable[[Any], int], value: Any) -> int | None:
    """Return a number; None if it is refused."""
    try:
        return number(value)
    except ValueError:
        return None


# As measured on Elasticsearch 8.19 and OpenSearch 3.6; None is an error 400.
@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2), ("+2", 2), ("02", 2), ("-0", 0), ("\u0662", 2), ("-1", -1), ("2147483648", 2**31)]
    + [(text, None) for text in (" 10", "2 ", "", "2.0", "1e0", "1_0", "+ 2", "0x2", "true")],
)
def test_a_number_in_the_url_is_read_as_the_engines_read_it(text: str, expected: int | None) -> None:
    assert read(url_integer, text) == expected
    assert (expected is None) <= has_invalid_page(a_search(params={"size": text}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, 2), (2.7, 2), (2.0, 2), ("2", 2), (" 2", 2), ("2 ", 2), ("2.7", 2), ("1e0", 1), ("+2", 2), ("-0", 0)]
    + [("02", 2), ("2f", 2), ("2d", 2), (".5e1", 5)]
    + [(value, None) for value in (None, True, [2], {}, "", "!2", "2!", "\u0662", "0x2", "1_0", "two", "\u00a02")],
)
def test_a_number_in_the_body_is_read_as_the_engines_read_it(value: Any, expected: int | None) -> None:
    assert read(body_integer, value) == expected
    assert (expected is None) == has_invalid_page(a_search({"size": value}))


@pytest.mark.parametrize("size", [2**31, -1, 1e300, "1e400"])
def test_a_page_has_at_most_as_many_hits_as_the_engines_count(size: Any) -> None:
    assert has_invalid_page(a_search({"size": size}))
    assert has_invalid_page(a_search({"from": size}))


@pytest.mark.parametrize("number", [0, 1, 2**31 - 1])
def test_the_smallest_and_the_largest_page(number: int) -> None:
    assert not has_invalid_page(a_search({"size": number}))
    assert not has_invalid_page(a_search({"from": number}))
