"""Profiles: the prompt format and limits of each model family. To add a model family, add a row to `PROFILES`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files

from es_rerank.model import LongDocumentMode, PolicySpec
from es_rerank.rerank.token_rates import ENGLISH_VOCABULARY, LARGE_VOCABULARY, TokenRates

_QWEN3_TEMPLATE = "qwen3_reranker.jinja"
_QWEN3_OVERRIDES = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}
_REPLACE = PolicySpec("replace")
# Of an embedding model, the cosines of relevant and other passages are close to each other, so the engine's scores
# improve the order.
_BLEND = PolicySpec("blend", 0.7)


@dataclass(frozen=True, slots=True)
class Profile:
    """The prompt format, limits and vLLM flags of one model family.

    Attributes:
        model: Model name on Hugging Face.
        max_tokens: Context length of the model, in tokens.
        max_passage_tokens: Default maximum length of a passage, in tokens.
        overhead: Number of prompt tokens in addition to those of query and document.
        long: Default for documents longer than a passage: `truncate` or `max_passage`.
        query: Prefix of the query.
        document: Prefix of each passage.
        instruction: The default instruction; None if the model takes none.
        cosine: Whether the model is a bi-encoder, whose scores are cosine similarities with every backend.
        center: The score that becomes the probability 0.5, in `sigmoid(slope * (score - center))`.
        slope: The slope in the same formula.
        rates: Average tokens per character of the model's tokenizer.
        policy: The default score policy.
        special: Special tokens of the model, which are escaped in queries and documents.
        languages: `any`, or the only language of the model as an ISO 639-1 code.
        template: File name of the chat template, in the folder of this module; None if vLLM needs none.
        flags: Command-line flags of `vllm serve`.
        for_trying: Whether the model is a small one for trying es-rerank and for CPUs.

    """

    model: str
    max_tokens: int
    max_passage_tokens: int
    overhead: int = 8
    long: LongDocumentMode = LongDocumentMode.TRUNCATE
    query: str = ""
    document: str = ""
    instruction: str | None = None
    cosine: bool = False
    center: float = 0.0
    slope: float = 1.0
    rates: TokenRates = LARGE_VOCABULARY
    policy: PolicySpec = _REPLACE
    special: tuple[str, ...] = ()
    languages: str = "any"
    template: str | None = None
    flags: tuple[str, ...] = ()
    for_trying: bool = False


_QWEN3_NAMES = (
    "endoftext im_start im_end object_ref_start object_ref_end box_start box_end quad_start quad_end vision_start "
    "vision_end vision_pad image_pad video_pad fim_prefix fim_middle fim_suffix fim_pad repo_name file_sep"
)
_QWEN3_TAGS = ("think", "tool_call", "tool_response")
_QWEN3_SPECIAL = (
    *(f"<|{name}|>" for name in _QWEN3_NAMES.split()),
    *(f"<{slash}{name}>" for name in _QWEN3_TAGS for slash in ("", "/")),
)

_QWEN3 = Profile(
    model="Qwen/Qwen3-Reranker-0.6B",
    max_tokens=8192,
    max_passage_tokens=1024,
    overhead=128,
    instruction="Given a web search query, retrieve relevant passages that answer the query",
    special=_QWEN3_SPECIAL,
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
        # Less than the context length: mean pooling over a longer passage dilutes the sentence that answers the query.
        max_passage_tokens=256,
        long=LongDocumentMode.MAX_PASSAGE,
        query="query: ",
        document="passage: ",
        cosine=True,
        center=0.82,
        slope=25.0,
        policy=_BLEND,
        special=_XLM_SPECIAL,
        for_trying=True,
    ),
    "minilm": Profile(
        model="sentence-transformers/all-MiniLM-L6-v2",
        max_tokens=256,
        max_passage_tokens=192,
        long=LongDocumentMode.MAX_PASSAGE,
        cosine=True,
        center=0.35,
        slope=10.0,
        rates=ENGLISH_VOCABULARY,
        policy=_BLEND,
        special=("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"),
        languages="en",
        for_trying=True,
    ),
}


def template_path(profile: Profile) -> str | None:
    """Return the path of the profile's chat template, or None if vLLM needs none."""
    return str(files(__name__) / profile.template) if profile.template else None


def server_flags(profile: Profile, model: str | None = None) -> list[str]:
    """Return the command-line flags of `vllm serve` for a profile.

    Args:
        profile: The profile.
        model: Hugging Face name or local folder of the weights; by default the profile's model. vLLM serves them under
            the profile's model name.

    """
    template = template_path(profile)
    named = ["--served-model-name", profile.model] if model and model != profile.model else []
    chat = ["--chat-template", template] if template else []
    return ["--model", model or profile.model, *named, "--runner", "pooling", *profile.flags, *chat]
