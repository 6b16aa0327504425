from __future__ import annotations

import json

import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank_client.served_models import parse, unknown_model

VLLM = {
    "object": "list",
    "data": [
        {"id": "mine", "object": "model", "owned_by": "vllm", "root": "/models/mine", "max_model_len": 512},
        {"id": "lora", "object": "model", "root": None},
    ],
}


def test_a_list_of_vllm_is_parsed() -> None:
    assert parse(json.dumps(VLLM).encode()) == {"mine": "/models/mine", "lora": "lora"}


@pytest.mark.parametrize("body", [b"", b"not found", b"[]", b'{"data":{}}', b'{"data":[{"name":"x"}]}'])
def test_another_response_lists_no_models(body: bytes) -> None:
    assert parse(body) == {}


def test_only_a_model_that_is_not_in_the_list_is_unknown() -> None:
    assert unknown_model("mine", {"mine": "x"}) is None
    assert unknown_model("mine", {}) is None
    assert unknown_model("other", {"mine": "x", "lora": "y"}) == Failed(
        Why.REFUSED, "the server does not have the model `other`: set `model` to `mine` or `lora`"
    )
