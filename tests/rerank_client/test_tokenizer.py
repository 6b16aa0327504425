from __future__ import annotations

import asyncio
from importlib import import_module
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


@pytest.mark.parametrize("exists", [True, False])
async def test_auto_is_the_tokenizer_of_the_servers_model_unless_the_model_is_a_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, exists: bool
) -> None:
    asked: list[str] = []

    async def root() -> str:
        asked.append("root")
        return str(folder)

    empty = tmp_path_factory.mktemp("empty")
    with capture_logs():
        loaded = await ModelTokenizer("auto", str(empty) if exists else "served/name", root).load()
    assert (loaded is None, asked) == ((True, []) if exists else (False, ["root"]))


async def test_without_a_connection_to_the_hub_it_gives_up_soon_and_logs_one_event(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub = import_module("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    requested: list[tuple[str, float]] = []

    def unreachable(_api: object, model: str, *, timeout: float) -> None:
        requested.append((model, timeout))
        raise ConnectionError("no route to host")

    monkeypatch.setattr(hub.HfApi, "model_info", unreachable)
    with capture_logs() as lines:
        assert await ModelTokenizer("auto", "served/name").load() is None
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("tokenizer not found, tokens are estimated", "no route to host")
    ]
    # The server of an earlier test may still log.
    records = [record for record in caplog.records if not record.name.startswith("aiohttp")]
    assert (requested, slept, records) == ([("served/name", tokenizer._HUB_SECONDS)], [], [])
