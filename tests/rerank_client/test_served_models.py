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


@pytest.mark.parametrize(
    ("served", "remedy"),
    [
        ({"intfloat/multilingual-e5-small": "/cache/e5"}, "set `profile` to `e5`"),
        ({"mine": "intfloat/multilingual-e5-small"}, "set `profile` to `e5` and `model` to `mine`"),
        ({"Qwen/Qwen3-Reranker-4B": "Qwen/Qwen3-Reranker-4B"}, "set `profile` to `qwen3-reranker-4b`"),
        ({"mine": "/models/mine"}, "set `model` to `mine`"),
    ],
)
def test_who_forgot_the_profile_of_the_model_is_told_to_set_it(served: dict[str, str], remedy: str) -> None:
    assert unknown_model("Qwen/Qwen3-Reranker-0.6B", served) == Failed(
        Why.REFUSED, f"the server does not have the model `Qwen/Qwen3-Reranker-0.6B`: {remedy}"
    )
