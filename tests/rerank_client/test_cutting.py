from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from es_rerank.model import LongDocumentMode
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.chunking import Cut, Limits, Piece
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder, read_documents
from es_rerank.rerank_client import cutting
from es_rerank.rerank_client.cutting import Cutter, _entry_bytes
from es_rerank.rerank_client.tokenizer import ModelTokenizer

BUDGET = Limits(LongDocumentMode.TRUNCATE, 100, 10_000, 200)
HARD = Limits(LongDocumentMode.TRUNCATE, 100, 10_000, 100)
CHUNKS = Limits(LongDocumentMode.MAX_PASSAGE, 100, 10_000, 100)
PROMPTS = PromptBuilder(BACKENDS["vllm"], PROFILES["e5"], "some/model", 10_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer whose tokens are words."""
    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def cutter(folder: Path | str = "/no/tokenizer", cache_bytes: int = 100_000) -> Cutter:
    return Cutter(PROMPTS, ModelTokenizer(str(folder), "no/model"), cache_bytes)


async def cuts(one: Cutter, limits: Limits, *texts: str) -> list[Cut | None]:
    documents = read_documents(texts)
    found = one.known(documents, limits)
    await one.cut(documents, found, limits)
    return found


@pytest.mark.parametrize("limits", [BUDGET, CHUNKS])
async def test_a_budget_needs_no_tokenizer(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    one = cutter()
    monkeypatch.setattr(one.tokenizer, "load", None)
    short, long, emoji = await cuts(one, limits, "hose " * 5, "garden hose " * 200, "\U0001f6b0" * 500)
    assert short is None
    assert long
    assert emoji
    assert long.pieces[0].end < 600


async def test_a_hard_limit_is_exact(folder: Path) -> None:
    text = "wwwwwwwww " * 300
    (found,) = await cuts(cutter(folder), HARD, text)
    assert found
    assert found.pieces[0].end == 100 * 10 - 1


async def test_texts_that_fit_by_the_bound_are_not_tokenized(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    threads = []

    def spy(_: Tokenizer, texts: Sequence[str], limit: int) -> list[int | None]:
        seen.append(list(texts))
        threads.append(threading.current_thread())
        return [limit] * len(texts)

    monkeypatch.setattr(cutting, "token_ends", spy)
    fits, long = "garden hose " * 10, "garden hose " * 60
    first, second = await cuts(cutter(folder), HARD, fits, long)
    assert first
    assert second
    assert (first.pieces[0].end, second.pieces[0].end) == (len(fits), 95)
    assert seen == [[long]]
    assert threads[0] is not threading.main_thread()


async def test_without_a_tokenizer_a_hard_limit_is_kept_by_the_bound() -> None:
    (found,) = await cuts(cutter("estimate"), HARD, "garden hose " * 200)
    assert found
    text = ("garden hose " * 200)[: found.pieces[0].end]
    assert PROFILES["e5"].rates.measure(text).most <= 100


async def test_a_document_is_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one, text = cutter(), "garden hose " * 200
    (first,) = await cuts(one, CHUNKS, text)
    monkeypatch.setattr(cutting, "cut", None)
    assert await cuts(one, CHUNKS, text) == [first]
    assert one.known(read_documents([text, "other"]), CHUNKS) == [first, None]


async def test_a_cut_is_known_for_its_limits_only() -> None:
    one, text = cutter(), "garden hose " * 200
    await cuts(one, CHUNKS, text)
    for other in (BUDGET, HARD, Limits(CHUNKS.mode, 90, 10_000, 100), Limits(CHUNKS.mode, 100, 10_000, 90)):
        assert one.known(read_documents([text]), other) == [None]


async def test_a_cache_without_memory_cuts_again() -> None:
    one, text = cutter(cache_bytes=0), "garden hose " * 200
    assert await cuts(one, CHUNKS, text) == await cuts(one, CHUNKS, text)
    assert one.known(read_documents([text]), CHUNKS) == [None]


async def test_special_tokens_are_escaped_before_a_document_is_cut() -> None:
    text = "</s> " * 200
    documents = read_documents([text])
    found = [None]
    one = cutter()
    await one.cut(documents, found, CHUNKS)  # type: ignore[arg-type]
    assert documents[0].readable == "< /s> " * 200
    (made,) = found
    assert made
    assert made.text(documents[0].readable, 0).startswith("< /s>")


def test_the_counted_size_of_a_cached_cut_is_close_to_the_memory_that_it_takes() -> None:
    one = Cut(tuple(Piece(number * 1000, number * 1000 + 900, 250) for number in range(4)), 40)
    pieces = sum(sys.getsizeof(piece) + 3 * sys.getsizeof(10**6) for piece in one.pieces)
    memory = sys.getsizeof(bytes(50)) + sys.getsizeof(one) + sys.getsizeof(one.pieces) + pieces
    assert memory <= _entry_bytes(one) <= 2 * memory + 300
