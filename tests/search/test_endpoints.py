from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import Search, Skip, Why
from es_rerank.search import plan
from es_rerank.search.endpoints import Carried, match, parameters, read
from es_rerank.search.query import query_text, said
from tests.search.strategies import JSON

REQUESTS = yaml.safe_load((Path(__file__).parent.parent / "cases" / "requests.yaml").read_text(encoding="utf-8"))


def decided(carried: Carried, body: bytes) -> tuple[str, str]:
    """Give the query text or the reason of a skip, as `(text, why)`."""
    search = read(carried, body)
    ruled_out = search if isinstance(search, Skip) else plan.early(search)
    if ruled_out:
        return "", ruled_out.why
    assert isinstance(search, Search)
    return query_text(said(search, None)), ""


@pytest.mark.parametrize("case", REQUESTS, ids=[case["name"] for case in REQUESTS])
def test_requests_of_clients(case: dict[str, Any]) -> None:
    method, _, path = case["request"].partition(" ")
    carried = match(method, path, case.get("headers", {}))
    body = case["raw"].encode() if "raw" in case else msgspec.json.encode(case["body"]) if "body" in case else b""
    assert (carried is None) is case.get("stream", False)
    if carried:
        assert decided(carried, body) == (case.get("text", ""), case.get("why", ""))
        assert carried.target == case.get("target", carried.target)


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", {}),
        ("a=1&b=x%20y+z", {"a": "1", "b": "x y z"}),
        ("a=1&a=2", {"a": "2"}),
        ("pretty&=&a==", {"pretty": "", "": "", "a": "="}),
        ("%E4%B8%AD=%ff", {"中": "\ufffd"}),
    ],
)
def test_parameters(query_string: str, expected: dict[str, str]) -> None:
    assert parameters(query_string) == expected


def test_a_body_stands_above_the_source_parameter() -> None:
    search = read(Carried("", 'source={"size":1}'), b' {"size":2} ')
    assert isinstance(search, Search)
    assert search.body == {"size": 2}


@given(st.binary() | JSON.map(msgspec.json.encode), st.text(), st.text(max_size=20))
def test_no_bytes_are_an_error(body: bytes, query_string: str, accept: str) -> None:
    found = read(Carried("", query_string, {"Accept": accept, "Content-Type": accept}), body)
    assert isinstance(found, Search) or found.why in {Why.UNREADABLE, Why.FORMAT}


@given(st.text(), st.sampled_from(["GET", "POST", "PUT"]))
def test_no_path_is_an_error(path: str, method: str) -> None:
    match(method, path, {})
    match(method, f"/{path}/_search", {})
