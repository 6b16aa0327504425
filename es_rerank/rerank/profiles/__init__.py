"""Profiles: the prompt format and limits of each model family. To add a model family, add a row to `PROFILES`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from es_rerank.model import LongDocumentMode, PolicySpec
from es_rerank.rerank.profiles.profile import Profile, server_flags, template_path
from es_rerank.rerank.token_rates import ENGLISH_VOCABULARY

__all__ = ["PROFILES", "Profile", "server_flags", "template_path"]

# The cosines of an embedding model differ little between relevant passages and others, so the engine's scores improve
# the order.
_BLEND = PolicySpec("blend", 0.7)
_QWEN_NAMES = (
    "endoftext im_start im_end object_ref_start object_ref_end box_start box_end quad_start quad_end vision_start "
    "vision_end vision_pad image_pad video_pad fim_prefix fim_middle fim_suffix fim_pad repo_name file_sep"
)
_QWEN3_TAGS = ("think", "tool_call", "tool_response")
_QWEN_SPECIAL = tuple(f"<|{name}|>" for name in _QWEN_NAMES.split())
_QWEN3_SPECIAL = (*_QWEN_SPECIAL, *(f"<{slash}{name}>" for name in _QWEN3_TAGS for slash in ("", "/")))
_XLM_SPECIAL = ("<s>", "</s>", "<pad>", "<unk>", "<mask>")
_BERT_SPECIAL = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
_GEMMA_SPECIAL = ("<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>")


def _overrides(**values: object) -> tuple[str, str]:
    """Return the flag of `vllm serve` that overrides the configuration of a model, and the flag's value."""
    return "--hf-overrides", json.dumps(values, separators=(",", ":"))


_QWEN3 = Profile(
    model="Qwen/Qwen3-Reranker-0.6B",
    max_tokens=8192,
    max_passage_tokens=1024,
    license="Apache-2.0",
    size=596,
    overhead=128,
    instruction="Given a web search query, retrieve relevant passages that answer the query",
    special=_QWEN3_SPECIAL,
    template="qwen3_reranker.jinja",
    flags=(
        *_overrides(
            architectures=["Qwen3ForSequenceClassification"],
            classifier_from_token=["no", "yes"],
            is_original_qwen3_reranker=True,
        ),
        *("--max-model-len", "8192"),
    ),
)
_QWEN3_4B = replace(_QWEN3, model="Qwen/Qwen3-Reranker-4B", size=4022)
_QWEN3_8B = replace(_QWEN3, model="Qwen/Qwen3-Reranker-8B", size=7569)
# vLLM quantizes the weights when it loads them.
_FP8 = ("--quantization", "fp8")
_MXBAI = Profile(
    model="mixedbread-ai/mxbai-rerank-base-v2",
    max_tokens=8192,
    max_passage_tokens=1024,
    license="Apache-2.0",
    size=494,
    overhead=128,
    special=_QWEN_SPECIAL,
    template="mxbai_rerank_v2.jinja",
    flags=(
        *_overrides(
            architectures=["Qwen2ForSequenceClassification"],
            classifier_from_token=["0", "1"],
            method="from_2_way_softmax",
        ),
        *("--max-model-len", "8192"),
    ),
)

PROFILES: Mapping[str, Profile] = {
    "qwen3-reranker-0.6b": _QWEN3,
    "qwen3-reranker-4b": _QWEN3_4B,
    "qwen3-reranker-8b": _QWEN3_8B,
    "qwen3-reranker-4b-fp8": replace(_QWEN3_4B, flags=(*_QWEN3.flags, *_FP8)),
    "qwen3-reranker-8b-fp8": replace(_QWEN3_8B, flags=(*_QWEN3.flags, *_FP8)),
    "bge-reranker": Profile(
        model="BAAI/bge-reranker-v2-m3",
        max_tokens=8192,
        max_passage_tokens=1024,
        license="Apache-2.0",
        size=568,
        special=_XLM_SPECIAL,
    ),
    "bge-reranker-v2-gemma": Profile(
        model="BAAI/bge-reranker-v2-gemma",
        max_tokens=8192,
        max_passage_tokens=1024,
        license="Apache-2.0",
        size=2506,
        overhead=64,
        special=_GEMMA_SPECIAL,
        template="bge_reranker_v2_gemma.jinja",
        flags=_overrides(
            architectures=["GemmaForSequenceClassification"],
            classifier_from_token=["Yes"],
            method="no_post_processing",
        ),
    ),
    "mxbai-rerank-base-v2": _MXBAI,
    "mxbai-rerank-large-v2": replace(_MXBAI, model="mixedbread-ai/mxbai-rerank-large-v2", size=1544),
    "gte-multilingual-reranker": Profile(
        model="Alibaba-NLP/gte-multilingual-reranker-base",
        max_tokens=8192,
        max_passage_tokens=1024,
        license="Apache-2.0",
        size=306,
        special=_XLM_SPECIAL,
        flags=("--trust-remote-code", *_overrides(architectures=["GteNewForSequenceClassification"])),
    ),
    "gte-modernbert": Profile(
        model="Alibaba-NLP/gte-reranker-modernbert-base",
        max_tokens=8192,
        max_passage_tokens=1024,
        license="Apache-2.0",
        size=149,
        rates=ENGLISH_VOCABULARY,
        special=(*_BERT_SPECIAL, "<|endoftext|>", "<|padding|>"),
        languages="en",
    ),
    "jina-reranker-v2": Profile(
        model="jinaai/jina-reranker-v2-base-multilingual",
        max_tokens=1024,
        max_passage_tokens=512,
        license="CC-BY-NC-4.0",
        size=278,
        special=_XLM_SPECIAL,
        flags=("--trust-remote-code",),
    ),
    "jina-reranker-v3": Profile(
        model="jinaai/jina-reranker-v3",
        max_tokens=65536,
        # All passages of a window, of which there are up to 64, share the context.
        max_passage_tokens=896,
        license="CC-BY-NC-4.0",
        size=597,
        overhead=256,
        long=LongDocumentMode.TRUNCATE,
        # Scores are cosines. The slope spreads them over [0, 1]; it was not fitted to judged queries.
        slope=10.0,
        special=(*_QWEN3_SPECIAL, "<|embed_token|>", "<|rerank_token|>"),
        listwise=True,
        flags=("--max-model-len", "65536"),
    ),
    "e5": Profile(
        model="intfloat/multilingual-e5-small",
        max_tokens=512,
        # Less than the context length: mean pooling over a longer passage dilutes the sentence that answers the query.
        max_passage_tokens=256,
        license="MIT",
        size=118,
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
        license="Apache-2.0",
        size=23,
        long=LongDocumentMode.MAX_PASSAGE,
        cosine=True,
        center=0.35,
        slope=10.0,
        rates=ENGLISH_VOCABULARY,
        policy=_BLEND,
        special=_BERT_SPECIAL,
        languages="en",
        for_trying=True,
    ),
}
