from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.naming import snake_case


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("must", "must"),
        ("must_not", "must_not"),
        ("mustNot", "must_not"),
        ("commonTermsQuery", "common_terms_query"),
        ("geo3D", "geo3d"),
        ("KQL", "kql"),
        ("", ""),
    ],
)
def test_camel_case_becomes_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


@given(st.lists(st.text(st.sampled_from("abcz"), min_size=2), min_size=1))
def test_every_camel_case_name_has_its_snake_case_name(words: list[str]) -> None:
    camel_case = words[0] + "".join(word.capitalize() for word in words[1:])
    assert snake_case(camel_case) == snake_case(snake_case(camel_case)) == "_".join(words)
