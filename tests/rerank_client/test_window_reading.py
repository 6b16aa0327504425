from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from es_rerank.model import LongDocumentMode, LongDocuments, Rule, ScoreRequest
from es_rerank.rerank import prompt
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.chunking import Cut
from es_rerank.rerank.passage_choice import Shared, shared_words
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client import cutting, window_reading
from es_rerank.rerank_client.cutting import Cutter
from es_rerank.rerank_client.tokenizer import ModelTokenizer
from es_rerank.rerank_client.window import Place, Window
from es_rerank.rerank_client.window_reading import WindowReader

LONG = "garden hose " * 200
CHUNKS = LongDocuments(LongDocumentMode.MAX_PASSAGE, 100)
START = LongDocuments(LongDocumentMode.TRUNCATE, 100)


def reader() -> WindowReader:
    prompts = PromptBuilder(BACKENDS["vllm"], PROFILES["bge-reranker"], "some/model", 10_000)
    return WindowReader(prompts, Cutter(prompts, ModelTokenizer("estimate", ""), 100_000))


def request(*documents: str | None, long: LongDocuments = CHUNKS, query: str = "hose") -> ScoreRequest:
    return ScoreRequest(query, documents, Rule("docs", long=long), 1.0)


def numbers(window: Window) -> list[list[int]]:
    assert window.numbers is not None
    return [list(row) for row in window.numbers]


async def texts(one: WindowReader, window: Window, *places: tuple[int, int]) -> Sequence[str]:
    keys = [b"%d" % number for number in range(len(places))]
    window.places = dict(zip(keys, (Place(*place) for place in places), strict=True))
    return [passage.text for passage in (await one.passages(window, keys)).values()]


async def test_short_documents_are_one_passage_each() -> None:
    one = reader()
    window = await one.opened(request("a", None, "", "b"))
    assert numbers(window) == [[0], [0]]
    assert await texts(one, window, (1, 0), (0, 0)) == ["b", "a"]


async def test_a_long_document_that_is_not_known_has_to_be_cut_first() -> None:
    one = reader()
    window = await one.opened(request("a", LONG))
    assert window.numbers is None
    await one.choose(window)
    (short, long) = numbers(window)
    assert short == [0]
    assert len(long) > 4
    first, last = await texts(one, window, (1, 0), (1, long[-1]))
    assert LONG.startswith(first)
    assert LONG.strip().endswith(last.strip())


async def test_a_known_document_is_neither_cut_nor_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    one = reader()
    first = await one.opened(request(LONG))
    await one.choose(first)
    monkeypatch.setattr(cutting, "cut", None)
    escape = prompt.escape_special_tokens
    escaped: list[Any] = []
    monkeypatch.setattr(
        prompt, "escape_special_tokens", lambda special, texts: escape(special, escaped.append(texts) or texts)
    )
    second = await one.opened(request(LONG, query="another"))
    assert numbers(second) == numbers(first)
    assert escaped == [["another"]]


async def test_a_truncated_document_is_one_passage_and_cut_when_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    one = reader()
    window = await one.opened(request(LONG, "b", long=START))
    assert numbers(window) == [[0], [0]]
    assert window.cuts == [None, None]
    window.set_keys([[b"1"], [b"2"]])
    assert one.new_tokens(window, {b"2"}) == [100, 0]
    assert one.new_tokens(window, ()) == [100, 1]
    (text,) = await texts(one, window, (0, 0))
    assert LONG.startswith(text)
    assert 80 < PROFILES["bge-reranker"].rates.measure(text).estimate <= 100
    monkeypatch.setattr(cutting, "cut", None)
    again = await one.opened(request(LONG, "b", long=START))
    assert await texts(one, again, (0, 0), (1, 0)) == [text, "b"]


async def test_above_the_budget_the_passages_with_words_of_the_query_are_chosen() -> None:
    one = reader()
    about = "noise " * 200 + "a leaking tap " + "noise " * 200
    budget = LongDocuments(LongDocumentMode.MAX_PASSAGE, 100, 300)
    window = await one.opened(request(about, LONG, query="leaking tap", long=budget))
    await one.choose(window)
    chosen, others = numbers(window)
    assert others == [0]
    assert len(chosen) == 2
    assert "leaking tap" in (await texts(one, window, (0, chosen[1])))[0]
    again = await one.opened(request(about, LONG, query="leaking tap", long=budget))
    assert again.numbers is None


@pytest.mark.parametrize(("budget", "passages"), [(10_000, 7), (200, 1)])
async def test_first_passages_and_later_ones_share_one_budget(budget: int, passages: int) -> None:
    one = reader()
    window = await one.opened(
        request("short " * 50, LONG, long=LongDocuments(LongDocumentMode.MAX_PASSAGE, 100, budget))
    )
    await one.choose(window)
    assert [len(row) for row in numbers(window)] == [1, passages]


async def test_after_the_deadline_no_further_document_is_compared_with_the_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each document is long enough for a thread of its own, and the first is still being read at the deadline."""
    begun, released = threading.Event(), threading.Event()
    compared = []

    def slow(documents: Sequence[tuple[str, Cut]], query: str) -> list[Shared]:
        compared.append(len(documents))
        begun.set()
        assert released.wait(10)
        return shared_words(documents, query)

    monkeypatch.setattr(window_reading, "shared_words", slow)
    one = reader()
    budget = LongDocuments(LongDocumentMode.MAX_PASSAGE, 1000, 100_000)
    window = await one.opened(request(*(f"hose {number} " * 30_000 for number in range(3)), long=budget))
    task = asyncio.create_task(one.choose(window))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert compared == [1]


async def test_a_passage_has_its_estimated_tokens() -> None:
    one = reader()
    window = await one.opened(request("a" * 35, LONG))
    await one.choose(window)
    window.set_keys([[b"0"], [b"%d" % number for number in numbers(window)[1]]])
    short, long = one.new_tokens(window, ())
    assert short == 11
    assert 80 < long / len(window.rows[1]) <= 100
    assert 80 < long - one.new_tokens(window, {b"1"})[1] <= 100
