"""The prompt format, limits and vLLM flags of one model family."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from es_rerank.model import LongDocumentMode, PolicySpec
from es_rerank.rerank.token_rates import LARGE_VOCABULARY, TokenRates

_REPLACE = PolicySpec("replace")


@dataclass(frozen=True, slots=True)
class Profile:
    """The prompt format, limits and vLLM flags of one model family.

    Attributes:
        model: Model name on Hugging Face.
        max_tokens: Context length of the model, in tokens.
        max_passage_tokens: Default maximum length of a passage, in tokens.
        license: SPDX identifier of the license of the weights. Licenses with `NC` exclude commercial use.
        size: Number of parameters, in millions.
        overhead: Number of tokens that the prompt adds to the tokens of the query and the document.
        long: Default mode for documents longer than a passage. None means `max_passage` if the context is much longer
            than a passage, and `truncate` otherwise.
        query: Prefix of the query.
        document: Prefix of each passage.
        instruction: The default instruction; None if the model takes no instruction.
        cosine: Whether the model is a bi-encoder, whose scores are cosine similarities with every backend.
        center: The score that becomes the probability 0.5, in `sigmoid(slope * (score - center))`.
        slope: The slope in the formula of `center`.
        rates: Average tokens per character of the model's tokenizer.
        policy: The default score policy.
        special: Special tokens of the model, which are escaped in queries and documents.
        languages: `any`, or the only language of the model as an ISO 639-1 code.
        listwise: Whether the model scores all passages of a request together, so that the score of a passage depends
            on the others.
        template: File name of the chat template, in the folder of this module; None if the model needs no template.
        flags: Command-line flags of `vllm serve`.
        for_trying: Whether the model is small, and intended only for CPUs and for trying es-rerank.

    """

    model: str
    max_tokens: int
    max_passage_tokens: int
    license: str
    size: int
    overhead: int = 8
    long: LongDocumentMode | None = None
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
    listwise: bool = False
    template: str | None = None
    flags: tuple[str, ...] = ()
    for_trying: bool = False


def template_path(profile: Profile) -> str | None:
    """Return the path of the profile's chat template, or None if the model needs no chat template."""
    return str(files(__package__) / profile.template) if profile.template else None


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
