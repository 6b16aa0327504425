from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Plan, Rule
from es_rerank.search.endpoints import parameters
from es_rerank.search.widen import widen

PLAN = Plan("hose", 0, 10, 0, 50, 50, Rule("docs"), ("title",))
MORE = replace(PLAN, extra_fields=("title", "body.en"))


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", "from=0&size=50"),
        ("pretty&q=a%20b", "pretty&q=a%20b&from=0&size=50"),
        ("size=3&pretty=&from=2&&size=4", "pretty=&from=0&size=50"),
        ("%73ize=3", "from=0&size=50"),
    ],
)
def test_the_page_goes_into_the_url_and_the_body_stays_as_it_came(query_string: str, expected: str) -> None:
    body = b'{"from": 7 , "size":1}'
    assert widen(query_string, body, PLAN) == (expected, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", b'{"fields":["title","body.en"]}'),
        (b'{ "n": 1.50 }', b'{"n":1.50,"fields":["title","body.en"]}'),
        (
            b'{"fields":"pk","n": 12345678901234567890123}',
            b'{"fields":["pk","title","body.en"],"n":12345678901234567890123}',
        ),
        (b'{"fields":[{"field":"pk"}]}', b'{"fields":[{"field":"pk"},"title","body.en"]}'),
    ],
)
def test_fields_are_asked_for_in_the_body(body: bytes, expected: bytes) -> None:
    assert widen("", body, MORE) == ("from=0&size=50", expected)


def test_a_body_in_the_url_stays_there() -> None:
    query_string, body = widen("source=%7B%22size%22%3A1%7D&pretty", b"", MORE)
    assert body == b""
    assert unquote(query_string) == 'pretty&source={"size":1,"fields":["title","body.en"]}&from=0&size=50'


@given(st.text(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_all_other_parameters_stay(query_string: str, start: int, size: int) -> None:
    widened, _ = widen(query_string, b"", replace(PLAN, fetch_from=start, fetch_size=size))
    assert parameters(widened) == {**parameters(query_string), "from": str(start), "size": str(size)}
