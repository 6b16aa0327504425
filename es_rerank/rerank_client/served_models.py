"""Reads the list of models from a rerank server, to check the settings `profile` and `model`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from es_rerank.model import Failed, Why
from es_rerank.rerank.profiles import PROFILES

PATH = "/v1/models"
"""The path of the list in OpenAI's API, which vLLM and Infinity implement."""


class _Model(msgspec.Struct):
    id: str
    root: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


def parse(body: bytes) -> Mapping[str, str]:
    """Parse the list of models that a rerank server returns.

    Args:
        body: A response in the format of OpenAI's API. In vLLM's response, `root` is the value of `--model`, and `id`
            is the value of `--served-model-name`.

    Returns:
        For each model, by the name under which it is served, the folder or the name that it was loaded from. Empty if
        the response has another format.

    """
    try:
        models = msgspec.json.decode(body, type=_Models).data
    except msgspec.MsgspecError:
        return {}
    return {model.id: model.root or model.id for model in models}


def unknown_model(model: str, served: Mapping[str, str]) -> Failed | None:
    """Return a failure if *model* is not among the *served* models; None if it is, or if *served* is empty."""
    if not served or model in served:
        return None
    return Failed(Why.REFUSED, f"the server does not have the model `{model}`: set {_remedy(model, served)}")


def _remedy(model: str, served: Mapping[str, str]) -> str:
    """Return the settings to change. If *model* is that of a profile, `model` is not set, so `profile` is wrong."""
    profiles = {profile.model: name for name, profile in reversed(list(PROFILES.items()))}
    if model in profiles:
        for name, root in served.items():
            if name in profiles:
                return f"`profile` to `{profiles[name]}`"
            if root in profiles:
                return f"`profile` to `{profiles[root]}` and `model` to `{name}`"
    return "`model` to " + " or ".join(f"`{name}`" for name in served)
