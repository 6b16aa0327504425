from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.rerank.backends import BadAnswerError, RerankCall
from es_rerank.rerank.backends.embeddings import decode, encode
from tests.search.strategies import JSON


def base64(*values: float) -> str:
    return b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def response(*rows: Any) -> dict[str, Any]:
    """Return a response as vLLM sends it."""
    usage = {"prompt_tokens": 12, "total_tokens": 12, "completion_tokens": 0, "prompt_tokens_details": None}
    return {"id": "embd-1", "object": "list", "created": 1, "model": "some/model", "data": list(rows), "usage": usage}


def row(index: Any, embedding: Any) -> dict[str, Any]:
    return {"index": index, "object": "embedding", "embedding": embedding}


GOOD = (row(0, base64(0.5, -1.0)), row(1, base64(2.0, 0.25)))


def test_a_request_asks_for_base64() -> None:
    call = RerankCall("", ["query: leaking hose", "passage: mend it"], "some/model")
    assert encode(call) == {
        "model": "some/model",
        "input": ["query: leaking hose", "passage: mend it"],
        "encoding_format": "base64",
    }


@pytest.mark.parametrize("rows", [GOOD, GOOD[::-1]])
def test_vectors_are_in_the_order_of_the_texts(rows: Any) -> None:
    assert decode(response(*rows), 2) == [struct.pack("<2f", 0.5, -1.0), struct.pack("<2f", 2.0, 0.25)]


Fault = Callable[[dict[str, Any]], object]
FAULTS: dict[str, Fault] = {
    "one too few": lambda body: body["data"].pop(),
    "one too many": lambda body: body["data"].append(row(2, base64(1.0, 2.0))),
    "twice the same index": lambda body: body["data"].__setitem__(1, row(0, base64(1.0, 2.0))),
    "an index that is true": lambda body: body["data"].__setitem__(1, row(bool(1), base64(1.0, 2.0))),
    "no vector": lambda body: body["data"][0].pop("embedding"),
    "a vector of numbers": lambda body: body["data"][0].update(embedding=[0.5, -1.0]),
    "a vector that is null": lambda body: body["data"][0].update(embedding=None),
    "a vector without values": lambda body: body["data"][0].update(embedding=""),
    "text that is not base64": lambda body: body["data"][0].update(embedding="vector!!"),
    "base64 with another character": lambda body: body["data"][0].update(embedding="!" + base64(0.5, -1.0)),
    "text that is not ASCII": lambda body: body["data"][0].update(embedding="véctor=="),
    "base64 of half a value": lambda body: body["data"][0].update(embedding=b64encode(b"abcdef").decode()),
    "a vector that is shorter": lambda body: body["data"][0].update(embedding=base64(0.5)),
    "a row that is no object": lambda body: body["data"].__setitem__(0, base64(0.5, -1.0)),
    "rows that are no array": lambda body: body.update(data={}),
    "no rows": lambda body: body.pop("data"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_but_one_vector_for_each_text_is_refused(fault: str) -> None:
    body = response(*(dict(one) for one in GOOD))
    FAULTS[fault](body)
    with pytest.raises(BadAnswerError):
        decode(body, 2)


@given(JSON | st.lists(st.dictionaries(st.sampled_from(["index", "embedding"]), JSON)))
def test_any_json_is_vectors_or_one_error(rows: Any) -> None:
    for body in (rows, {"data": rows}):
        try:
            assert len(decode(body, 1)) == 1
        except BadAnswerError:
            continue


@pytest.mark.parametrize("content", [b"", b"abc", b"abcde"])
def test_a_vector_is_one_or_more_whole_numbers(content: bytes) -> None:
    with pytest.raises(BadAnswerError):
        decode(response(row(0, b64encode(content).decode())), 1)
