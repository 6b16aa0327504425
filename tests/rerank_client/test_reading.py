from __future__ import annotations

import pytest

from es_rerank.model import LongDocumentMode, LongDocuments, Rule, ScoreRequest
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.cutting import Cutter
from es_rerank.rerank_client.reading import documents_read
from es_rerank.rerank_client.tokenizer import ModelTokenizer
from es_rerank.rerank_client.window_reading import WindowReader

LONG = "garden hose " * 200
MODES = (LongDocumentMode.TRUNCATE, LongDocumentMode.MAX_PASSAGE)
PROMPTS = PromptBuilder(BACKENDS["vllm"], PROFILES["bge-reranker"], "some/model", 10_000)


def reader() -> WindowReader:
    return WindowReader(PROMPTS, Cutter(PROMPTS, ModelTokenizer("estimate", ""), 100_000))


def request(*documents: str | None, mode: LongDocumentMode, budget: int | None = None) -> ScoreRequest:
    return ScoreRequest("hose", documents, Rule("docs", long=LongDocuments(mode, 100, budget)), 1.0)


@pytest.mark.parametrize("mode", MODES)
async def test_documents_are_read_that_were_not_scored(mode: LongDocumentMode) -> None:
    one = reader()
    window = await one.opened(request("a hose", None, LONG, "a hose", mode=mode))
    short, empty, long, same = await documents_read(window, one, PROMPTS)
    assert empty is None
    assert short is not None
    assert short == same
    assert ([row.text for row in short.passages], short.of, short.truncated) == (["a hose"], 1, False)
    assert (short.passages[0].tokens, short.passages[0].probability) == (2, None)
    assert (short.passages[0].start, short.passages[0].end) == (0, 6)
    assert long is not None
    assert all(row.text == LONG[row.start : row.end] for row in long.passages)
    truncates = mode is LongDocumentMode.TRUNCATE
    assert long.truncated is truncates
    assert (len(long.passages) == 1) is truncates
    assert [row.number for row in long.passages] == list(range(long.of))
    assert LONG.startswith(long.passages[0].text)
    assert all(80 <= row.tokens <= 100 for row in long.passages[:-1])


@pytest.mark.parametrize(("length", "truncated"), [(1200, False), (1201, True)])
async def test_a_document_is_truncated_if_it_is_longer_than_what_may_be_read(length: int, truncated: bool) -> None:
    one = reader()
    window = await one.opened(request("hose".ljust(length), mode=LongDocumentMode.TRUNCATE))
    assert window.limits.readable_characters == 1200
    (found,) = await documents_read(window, one, PROMPTS)
    assert found is not None
    assert found.truncated is truncated


async def test_a_document_of_which_only_some_passages_are_read_is_truncated() -> None:
    one = reader()
    window = await one.opened(request(LONG + "zeppelin", mode=LongDocumentMode.MAX_PASSAGE, budget=250))
    (found,) = await documents_read(window, one, PROMPTS)
    assert found is not None
    assert 0 < len(found.passages) < 5
    assert found.truncated


async def test_each_passage_has_its_score() -> None:
    one = reader()
    window = await one.opened(request("a", "b", "c", mode=LongDocumentMode.TRUNCATE))
    window.set_keys([[b"1"], [b"2"], [b"3"]])
    window.scores = {b"1": 0.0, b"3": 2.0}
    found = [row.passages[0] for row in await documents_read(window, one, PROMPTS) if row]
    assert [(row.text, row.probability) for row in found] == [
        ("a", 0.5),
        ("b", None),
        ("c", pytest.approx(0.8808, abs=1e-4)),
    ]
