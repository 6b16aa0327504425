from __future__ import annotations

import json
from pathlib import Path

import pytest

from es_rerank.rerank.profiles import PROFILES, server_flags, template_path

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


def test_other_models_need_no_template() -> None:
    assert [name for name, row in PROFILES.items() if template_path(row)] == [
        "qwen3-reranker-0.6b",
        "qwen3-reranker-4b",
        "qwen3-reranker-8b",
    ]


def test_scores_of_embedding_models_are_blended_and_those_of_cross_encoders_replace_the_engines() -> None:
    assert {(row.cosine, str(row.policy)) for row in PROFILES.values()} == {(True, "blend(0.7)"), (False, "replace")}


def test_limits_and_calibration_of_embedding_models() -> None:
    # The maximum number of tokens is `max_seq_length` of the model; the center is the cosine of probability one half.
    measured = {name: (row.max_tokens, row.center) for name, row in PROFILES.items() if row.cosine}
    assert measured == {"e5": (512, 0.82), "minilm": (256, 0.35)}
