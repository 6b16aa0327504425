"""The list of the models that a rerank server has."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from es_rerank.model import Failed, Why

PATH = "/v1/models"
"""The path of the list: OpenAI's API, which vLLM and Infinity have, too."""


class _Model(msgspec.Struct):
    id: str
    root: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


def parse(body: bytes) -> Mapping[str, str]:
    """Return the folder or the name that each model was loaded from, by its name; empty for another kind of response.

    Format: the list of OpenAI's API. vLLM's `root` is the value of `--model`, and `id` that of `--served-model-name`.
    """
    try:
        models = msgspec.json.decode(body, type=_Models).data
    except msgspec.MsgspecError:
        return {}
    return {model.id: model.root or model.id for model in models}


def unknown_model(model: str, served: Mapping[str, str]) -> Failed | None:
    """Return the failure for a model that is not in *served*; None if it is in *served*, or if *served* is empty."""
    if not served or model in served:
        return None
    names = ", ".join(f"`{name}`" for name in served)
    return Failed(Why.REFUSED, f"the server does not have the model `{model}`, but {names}")
