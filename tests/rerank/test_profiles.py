from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from es_rerank.rerank.profiles import PROFILES, Profile, server_flags, template_path

QWEN3 = PROFILES["qwen3-reranker-0.6b"]
E5 = PROFILES["e5"]


@pytest.mark.parametrize("name", PROFILES)
def test_flags_name_the_model_and_the_runner(name: str) -> None:
    flags = server_flags(PROFILES[name])
    assert flags[:2] == ["--model", PROFILES[name].model]
    assert flags[flags.index("--runner") + 1] == "pooling"
    assert "--served-model-name" not in flags


def test_a_local_folder_is_served_under_the_models_name() -> None:
    flags = server_flags(E5, "weights/e5")
    assert flags[:4] == ["--model", "weights/e5", "--served-model-name", E5.model]


def test_qwen3_gets_its_overrides_and_its_template() -> None:
    flags = server_flags(QWEN3)
    assert json.loads(flags[flags.index("--hf-overrides") + 1])["classifier_from_token"] == ["no", "yes"]
    template = Path(flags[flags.index("--chat-template") + 1]).read_text(encoding="utf-8")
    assert template.index("<Instruct>") < template.index("<Query>") < template.index("<Document>")
    assert template.rstrip().endswith(r"<think>\n\n</think>\n\n' -}}")
    assert QWEN3.instruction
    assert QWEN3.instruction in template


def test_models_that_answer_in_words_have_a_template() -> None:
    families = {name.split("-")[0] for name, row in PROFILES.items() if template_path(row)}
    assert families == {"qwen3", "bge", "mxbai"}
    assert template_path(PROFILES["bge-reranker"]) is None


GEMMA = (
    "A: how {{ q }}\nB: bread 'n'\nbutter\nGiven a query A and a passage B, determine whether the passage contains an "
    "answer to the query by providing a prediction of either 'Yes' or 'No'."
)
MXBAI = (
    "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\nquery: how {{ q }}\ndocument: bread 'n'\nbutter\nYou are a search relevance expert who "
    "evaluates how well documents match search queries. For each query-document pair, carefully analyze the semantic "
    "relationship between them, then provide your binary relevance judgment (0 for not relevant, 1 for relevant).\n"
    "Relevance:<|im_end|>\n<|im_start|>assistant\n"
)
QWEN3_PROMPT = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: how {{ q }}\n"
    "<Document>: bread 'n'\nbutter<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("bge-reranker-v2-gemma", GEMMA),
        ("mxbai-rerank-base-v2", MXBAI),
        ("mxbai-rerank-large-v2", MXBAI),
        ("qwen3-reranker-0.6b", QWEN3_PROMPT),
        ("qwen3-reranker-8b-fp8", QWEN3_PROMPT),
    ],
)
def test_a_template_is_the_prompt_of_the_model_card(name: str, prompt: str) -> None:
    """Render as transformers does: with these options, and the query and the passage as messages."""
    text = Path(template_path(PROFILES[name]) or "").read_text(encoding="utf-8")
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(text)
    messages = [{"role": "query", "content": "how {{ q }}"}, {"role": "document", "content": "bread 'n'\nbutter"}]
    assert template.render(messages=messages) == prompt


def test_quantized_models_have_the_flags_and_the_prompt_of_the_others() -> None:
    plain, quantized = PROFILES["qwen3-reranker-8b"], PROFILES["qwen3-reranker-8b-fp8"]
    assert quantized.flags == (*plain.flags, "--quantization", "fp8")
    assert replace(quantized, flags=plain.flags) == plain


def test_scores_of_embedding_models_are_blended_and_those_of_cross_encoders_replace_the_engines() -> None:
    assert {(row.cosine, str(row.policy)) for row in PROFILES.values()} == {(True, "blend(0.7)"), (False, "replace")}


CALIBRATION = {
    # Context, passage and overhead in tokens; the center and the slope of the sigmoid; millions of parameters.
    "qwen3-reranker-0.6b": (8192, 1024, 128, 0.0, 1.0, 596),
    "qwen3-reranker-4b": (8192, 1024, 128, 0.0, 1.0, 4022),
    "qwen3-reranker-8b": (8192, 1024, 128, 0.0, 1.0, 7569),
    "qwen3-reranker-4b-fp8": (8192, 1024, 128, 0.0, 1.0, 4022),
    "qwen3-reranker-8b-fp8": (8192, 1024, 128, 0.0, 1.0, 7569),
    "bge-reranker": (8192, 1024, 8, 0.0, 1.0, 568),
    "bge-reranker-v2-gemma": (8192, 1024, 64, 0.0, 1.0, 2506),
    "mxbai-rerank-base-v2": (8192, 1024, 128, 0.0, 1.0, 494),
    "mxbai-rerank-large-v2": (8192, 1024, 128, 0.0, 1.0, 1544),
    "gte-multilingual-reranker": (8192, 1024, 8, 0.0, 1.0, 306),
    "gte-modernbert": (8192, 1024, 8, 0.0, 1.0, 149),
    "jina-reranker-v2": (1024, 512, 8, 0.0, 1.0, 278),
    "jina-reranker-v3": (65536, 896, 256, 0.0, 10.0, 597),
    # The context is `max_seq_length` of the model; the center is the cosine of probability one half.
    "e5": (512, 256, 8, 0.82, 25.0, 118),
    "minilm": (256, 192, 8, 0.35, 10.0, 23),
}


@pytest.mark.parametrize("name", PROFILES)
def test_limits_and_calibration(name: str) -> None:
    row = PROFILES[name]
    found = (row.max_tokens, row.max_passage_tokens, row.overhead, row.center, row.slope, row.size)
    assert found == CALIBRATION[name]


@pytest.mark.parametrize(
    ("attribute", "names"),
    [
        ("cosine", {"e5", "minilm"}),
        ("for_trying", {"e5", "minilm"}),
        ("listwise", {"jina-reranker-v3"}),
        ("instruction", {name for name in PROFILES if name.startswith("qwen3-")}),
        ("query", {"e5"}),
        ("document", {"e5"}),
        ("long", {"jina-reranker-v3", "e5", "minilm"}),
    ],
)
def test_models_that_differ_from_the_other_ones(attribute: str, names: set[str]) -> None:
    assert {name for name, row in PROFILES.items() if getattr(row, attribute)} == names


QWEN3_OVERRIDES = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}
MXBAI_OVERRIDES = {
    "architectures": ["Qwen2ForSequenceClassification"],
    "classifier_from_token": ["0", "1"],
    "method": "from_2_way_softmax",
}


def test_the_overrides_of_vllm_for_each_model() -> None:
    assert {name: overrides(row) for name, row in PROFILES.items() if overrides(row)} == {
        **{name: QWEN3_OVERRIDES for name in PROFILES if name.startswith("qwen3-")},
        "mxbai-rerank-base-v2": MXBAI_OVERRIDES,
        "mxbai-rerank-large-v2": MXBAI_OVERRIDES,
        "bge-reranker-v2-gemma": {
            "architectures": ["GemmaForSequenceClassification"],
            "classifier_from_token": ["Yes"],
            "method": "no_post_processing",
        },
        "gte-multilingual-reranker": {"architectures": ["GteNewForSequenceClassification"]},
    }


def overrides(row: Profile) -> dict[str, Any]:
    """Return the configuration that the flags of a profile override."""
    flags = row.flags
    return json.loads(flags[flags.index("--hf-overrides") + 1]) if "--hf-overrides" in flags else {}


def test_special_tokens_of_qwen3_include_its_tags() -> None:
    assert len(QWEN3.special) == len(PROFILES["mxbai-rerank-base-v2"].special) + 6
    assert QWEN3.special[-6:] == (
        *("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    )


def test_the_score_0_of_a_cross_encoder_is_the_probability_one_half() -> None:
    assert {row.center for row in PROFILES.values() if not row.cosine} == {0.0}
