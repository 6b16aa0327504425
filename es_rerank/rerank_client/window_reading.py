"""Prepares the documents of one window: computes their digests, and splits them into passages.

Passage positions and scores are cached by the digest of a document. If all scores of a window are cached, its documents
are not split, and special tokens are not escaped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence
from functools import partial

from es_rerank.model import LongDocumentMode, ScoreRequest
from es_rerank.rerank.chunking import Cut
from es_rerank.rerank.passage_choice import Shared, affordable, all_passages, later_tokens, shared_words
from es_rerank.rerank.prompt import Document, Passage, PromptBuilder, read_documents
from es_rerank.rerank_client.cutting import Cutter
from es_rerank.rerank_client.portions import in_portions
from es_rerank.rerank_client.window import Window


class WindowReader:
    """Prepares windows for one model. `cutter` splits the documents into passages."""

    def __init__(self, prompts: PromptBuilder, cutter: Cutter) -> None:
        """Prepare windows for the model of *prompts*."""
        self.cutter = cutter
        self._prompts = prompts

    async def opened(self, request: ScoreRequest) -> Window:
        """Return the window of a search. The passages to score are chosen if no document must be split for this."""
        texts = [text for text in request.documents if text]
        documents = await in_portions(read_documents, texts, [len(text) for text in texts])
        query = self._prompts.query(request.query)
        limits = self._prompts.limits(request.rule.long, query)
        truncated = limits.mode is LongDocumentMode.TRUNCATE
        cuts: list[Cut | None] = [None] * len(documents)
        if not truncated:
            cuts = self.cutter.known(documents, limits)
        window = Window(request, query, limits, documents, cuts)
        if truncated or (_all_cut(window) and self._later_budget(window) >= later_tokens(cuts)):
            window.numbers = all_passages(cuts)
        return window

    async def choose(self, window: Window) -> None:
        """Split the documents of a window, and choose the passages to score."""
        await self.cutter.cut(window.documents, window.cuts, window.limits)
        budget = self._later_budget(window)
        if budget >= later_tokens(window.cuts):
            window.numbers = all_passages(window.cuts)
            return
        shared = await self._shared_words(window)
        window.numbers = await asyncio.to_thread(affordable, window.cuts, shared, budget)

    async def _shared_words(self, window: Window) -> list[Shared]:
        """Return the words that passages share with the query, for each document that has more than one passage."""
        long = [document for cut, document in zip(window.cuts, window.documents, strict=True) if cut]
        texts = await self._texts(window, long)
        items = list(zip(texts, filter(None, window.cuts), strict=True))
        find = partial(shared_words, query=window.query)
        return await in_portions(find, items, [len(text) for text in texts], thread=True)

    async def passages(self, window: Window, keys: Sequence[bytes]) -> dict[bytes, Passage]:
        """Return the passages with the given keys. In the mode `truncate`, their documents are split here.

        Documents whose scores are cached are therefore never split in that mode.
        """
        places = [window.places[key] for key in keys]
        numbers = sorted({place.document for place in places})
        documents = [window.documents[number] for number in numbers]
        if window.limits.mode is LongDocumentMode.TRUNCATE:
            cuts = self.cutter.known(documents, window.limits)
            await self.cutter.cut(documents, cuts, window.limits)
            window.set_cuts(numbers, cuts)
        texts = dict(zip(numbers, await self._texts(window, documents), strict=True))
        found, limit = {}, window.limits.max_passage_tokens
        for key, (at, number) in zip(keys, places, strict=True):
            if cut := window.cuts[at]:
                found[key] = Passage(cut.text(texts[at], number), cut.pieces[number].tokens)
            else:
                found[key] = Passage(texts[at], min(window.documents[at].tokens, limit))
        return found

    def new_tokens(self, window: Window, known: Container[bytes]) -> list[int]:
        """Return, for each document of the request, the approximate number of tokens that must be scored.

        Passages whose keys are in *known* do not count. A document that has not been split counts as one passage.
        """
        limit = window.limits.max_passage_tokens
        texts = zip(window.documents, window.cuts, window.numbers or (), strict=True)
        found = []
        for row in window.rows:
            document, cut, numbers = next(texts) if row else (None, None, ())
            if cut:
                new = [cut.pieces[number].tokens for key, number in zip(row, numbers, strict=True) if key not in known]
                found.append(sum(new))
            else:
                found.append(min(document.tokens, limit) if document and row[0] not in known else 0)
        return found

    async def _texts(self, window: Window, documents: Sequence[Document]) -> list[str]:
        """Return the part of each document that the model may read."""
        sizes = [0 if one.readable is not None else len(one.text) for one in documents]
        return await in_portions(partial(self._prompts.readable, limits=window.limits), documents, sizes)

    def _later_budget(self, window: Window) -> int:
        """Return the number of tokens that `max_search_tokens` leaves after the first passage of each document."""
        limit = window.limits.max_passage_tokens
        first = [
            cut.pieces[0].tokens if cut else min(document.tokens, limit)
            for cut, document in zip(window.cuts, window.documents, strict=True)
        ]
        return window.limits.max_search_tokens - sum(first)


def _all_cut(window: Window) -> bool:
    """Return whether all documents that may be longer than one passage have been split."""
    short = window.limits.whole_bytes
    return all(cut or document.size <= short for cut, document in zip(window.cuts, window.documents, strict=True))
