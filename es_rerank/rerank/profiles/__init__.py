"""Profiles: how each model family must be asked. One row each; the flags are those of vLLM's server."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files

_QWEN3_TEMPLATE = "qwen3_reranker.jinja"
_QWEN3_OVERRIDES = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One model family.

    `max_tokens` is the longest prompt served, `overhead` the tokens of the prompt beside query and document,
    `max_passage_tokens` how much of a document is read by default and `long` what happens to the rest.
    `query` and `document` are prefixes. A score becomes a probability by sigmoid(slope * (score - center));
    `cosine` tells that scores are cosines of a bi-encoder whatever the backend. `special` are token texts that a
    document must not be able to speak. `languages` is "any" or the one language the model reads.
    """

    model: str
    max_tokens: int
    max_passage_tokens: int
    overhead: int = 8
    long: str = "truncate"
    query: str = ""
    document: str = ""
    instruction: str | None = None
    cosine: bool = False
    center: float = 0.0
    slope: float = 1.0
    special: tuple[str, ...] = ()
    languages: str = "any"
    template: str | None = None
    flags: tuple[str, ...] = ()


_QWEN3 = Profile(
    model="Qwen/Qwen3-Reranker-0.6B",
    max_tokens=8192,
    max_passage_tokens=1024,
    overhead=128,
    instruction="Given a web search query, retrieve relevant passages that answer the query",
    special=("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>"),
    template=_QWEN3_TEMPLATE,
    flags=("--hf-overrides", json.dumps(_QWEN3_OVERRIDES, separators=(",", ":")), "--max-model-len", "8192"),
)
_XLM_SPECIAL = ("<s>", "</s>", "<pad>", "<unk>", "<mask>")

PROFILES: Mapping[str, Profile] = {
    "qwen3-reranker-0.6b": _QWEN3,
    "qwen3-reranker-4b": replace(_QWEN3, model="Qwen/Qwen3-Reranker-4B"),
    "qwen3-reranker-8b": replace(_QWEN3, model="Qwen/Qwen3-Reranker-8B"),
    "bge-reranker": Profile(
        model="BAAI/bge-reranker-v2-m3",
        max_tokens=8192,
        max_passage_tokens=1024,
        special=_XLM_SPECIAL,
    ),
    "e5": Profile(
        model="intfloat/multilingual-e5-small",
        max_tokens=512,
        # Less than it could read: one sentence that answers is lost in the mean over a longer passage.
        max_passage_tokens=256,
        long="max_passage",
        query="query: ",
        document="passage: ",
        cosine=True,
        center=0.82,
        slope=25.0,
        special=_XLM_SPECIAL,
    ),
    "minilm": Profile(
        model="sentence-transformers/all-MiniLM-L6-v2",
        max_tokens=256,
        max_passage_tokens=192,
        long="max_passage",
        cosine=True,
        center=0.35,
        slope=10.0,
        special=("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"),
        languages="en",
    ),
}


def probability(profile: Profile, score: float, raw: bool) -> float:
    """Map a model's score to a probability in [0, 1], in float64.

    *raw* tells that the server gave a logit; else a cross-encoder's score is a probability already.
    """
    if not raw and not profile.cosine:
        return min(max(score, 0.0), 1.0)
    logit = profile.slope * (score - profile.center)
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def escape_special_tokens(profile: Profile, text: str) -> str:
    """Break up the model's special tokens, so that a text cannot steer the prompt, and lone surrogates."""
    text = text.encode("utf-8", "replace").decode()
    for token in profile.special:
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def template_path(profile: Profile) -> str | None:
    """Name the file of the profile's chat template; None if the model needs none."""
    return str(files(__name__) / profile.template) if profile.template else None


def server_flags(profile: Profile, model: str | None = None) -> list[str]:
    """List vLLM's flags for a profile: model, pooling, overrides, template. The name served is the profile's model."""
    template = template_path(profile)
    named = ["--served-model-name", profile.model] if model and model != profile.model else []
    chat = ["--chat-template", template] if template else []
    return ["--model", model or profile.model, *named, "--runner", "pooling", *profile.flags, *chat]
