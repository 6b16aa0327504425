from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tokenizers import Tokenizer, models, pre_tokenizers

from es_rerank.rerank_client import tokenizer
from es_rerank.rerank_client.tokenizer import ModelTokenizer, token_ends


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = Tokenizer(models.WordLevel({"garden": 0, "hose": 1, "?": 2}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.enable_truncation(2)
    words.enable_padding(length=8)
    words.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize("part", ["", "tokenizer.json"])
async def test_a_file_or_its_folder_is_loaded(folder: Path, part: str) -> None:
    loaded = await ModelTokenizer(str(folder / part), "no/model").load()
    assert loaded
    texts = ["garden hose (new)", "garden hose", "", "gärden\n hose new"]
    assert token_ends(loaded, texts, 2) == [11, None, None, 12]
    assert token_ends(loaded, texts, 4) == [16, None, None, None]


async def test_auto_is_the_tokenizer_of_the_model(folder: Path) -> None:
    assert await ModelTokenizer("auto", str(folder)).load()


async def test_nothing_is_loaded_if_the_setting_says_so() -> None:
    assert await ModelTokenizer("estimate", "no/model").load() is None


async def test_without_a_tokenizer_tokens_are_estimated_and_a_warning_is_logged(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with capture_logs() as lines:
        missing = ModelTokenizer(str(tmp_path), "no/model")
        assert [await missing.load(), await missing.load()] == [None, None]
    assert [line["log_level"] for line in lines] == ["warning"]


async def test_it_is_loaded_once_and_by_no_search_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    real = tokenizer._loaded
    monkeypatch.setattr(tokenizer, "_loaded", lambda source: loads.append(source) or real(source))
    one = ModelTokenizer(str(folder), "no/model")
    assert loads == []
    canceled = asyncio.create_task(one.load())
    await asyncio.sleep(0)
    canceled.cancel()
    first, second = await asyncio.gather(one.load(), one.load())
    assert first is second is not None
    assert loads == [str(folder)]
