from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tokenizers import Tokenizer, models, pre_tokenizers

from es_rerank.rerank.chunking import estimate
from es_rerank.rerank_client.tokenizer import load_tokens


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"garden": 0, "hose": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize("part", ["", "tokenizer.json"])
def test_a_file_or_its_folder_gives_the_offsets_of_all_tokens(folder: Path, part: str) -> None:
    tokens = load_tokens(str(folder / part), "no/model")
    assert list(tokens("garden hose (new)")) == [(0, 6), (7, 11), (12, 13), (13, 16), (16, 17)]


def test_auto_is_the_tokenizer_of_the_model(folder: Path) -> None:
    assert list(load_tokens("auto", str(folder))("hose")) == [(0, 4)]


def test_tokens_are_estimated_if_the_setting_says_so() -> None:
    assert load_tokens("estimate", "no/model") is estimate


def test_without_a_tokenizer_tokens_are_estimated_and_a_warning_is_logged(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with capture_logs() as lines:
        assert load_tokens(str(tmp_path), "no/model") is estimate
    assert lines[0]["log_level"] == "warning"
