"""Splits documents into passages by estimated or exact token counts. Caches their positions, as `Cut` objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from tokenizers import Tokenizer

from es_rerank.rerank.chunking import Cut, Limits, cut, cut_at
from es_rerank.rerank.prompt import Document, PromptBuilder
from es_rerank.rerank_client.lru_cache import LruCache
from es_rerank.rerank_client.portions import in_portions
from es_rerank.rerank_client.tokenizer import ModelTokenizer, token_ends

# Approximate memory in CPython 3.11 of a cached `Cut` (with its key and dictionary slot), and of each passage in it.
_ENTRY_BYTES = 400
_PIECE_BYTES = 170


class Cutter:
    """Splits documents into passages for one model.

    Attributes:
        cache: The cached positions of passages.
        tokenizer: The tokenizer of the model.

    """

    def __init__(self, prompts: PromptBuilder, tokenizer: ModelTokenizer, cache_bytes: int) -> None:
        """Split documents for the model of *prompts*, with a cache of at most *cache_bytes*."""
        self.cache = LruCache("cuts", cache_bytes, _entry_bytes)
        self.tokenizer = tokenizer
        self._prompts = prompts

    def known(self, documents: Sequence[Document], limits: Limits) -> list[Cut | None]:
        """Return the positions of each document's passages from the cache.

        They are None for a document that is not in the cache, or that is so short that it is always one passage.
        """
        keys = _keys(documents, limits)
        found = self.cache.get_many(keys)
        return [found.get(key) for key in keys]

    async def cut(self, documents: Sequence[Document], cuts: list[Cut | None], limits: Limits) -> None:
        """Split the documents whose passages are not known yet, and cache the results.

        Args:
            documents: The documents.
            cuts: The result of `known`, in which missing items are replaced. They stay None for documents that are so
                short that they are always one passage.
            limits: The limits of passages.

        """
        short = limits.whole_bytes
        waiting = [
            (at, document)
            for at, (document, known) in enumerate(zip(documents, cuts, strict=True))
            if known is None and document.size > short
        ]
        if waiting:
            long = [document for _, document in waiting]
            found = await self._cut(long, limits)
            for (at, _), cut_ in zip(waiting, found, strict=True):
                cuts[at] = cut_
            self.cache.put_many(_keys(long, limits), found)

    async def _cut(self, documents: Sequence[Document], limits: Limits) -> list[Cut]:
        """Split documents, by exact token counts if passages may be nearly as long as the model's context."""
        sizes = [min(len(document.text), limits.readable_characters) for document in documents]
        tokenizer = await self.tokenizer.load() if limits.near_context else None
        if tokenizer is None:
            return await in_portions(partial(self._estimated, limits=limits), documents, sizes)
        exact = partial(self._exact, limits=limits, tokenizer=tokenizer)
        return await in_portions(exact, documents, sizes, thread=True)

    def _estimated(self, documents: Sequence[Document], limits: Limits) -> list[Cut]:
        """Split documents into passages by an estimate of their token counts, without the tokenizer."""
        measure = self._prompts.profile.rates.measure
        return [cut(text, limits, measure) for text in self._prompts.readable(documents, limits)]

    def _exact(self, documents: Sequence[Document], limits: Limits, tokenizer: Tokenizer) -> list[Cut]:
        """Return the only passage of each document, which is truncated at the limit by exact token counts.

        Documents that are certainly within the limit, by an upper bound of their token count, are not tokenized.
        """
        texts = self._prompts.readable(documents, limits)
        measure, limit = self._prompts.profile.rates.measure, limits.max_passage_tokens
        long = [text for text in texts if measure(text).most > limit]
        ends = dict(zip(long, token_ends(tokenizer, long, limit), strict=True)) if long else {}
        return [cut_at(text, ends.get(text), limits) for text in texts]


def _keys(documents: Iterable[Document], limits: Limits) -> list[bytes]:
    """Return the cache key of each document's passages."""
    suffix = f"{limits.mode} {limits.max_passage_tokens} {limits.max_search_tokens} {limits.context_tokens}".encode()
    return [document.digest + suffix for document in documents]


def _entry_bytes(found: Cut) -> int:
    """Return the approximate memory of a cached cut, in bytes."""
    return _ENTRY_BYTES + _PIECE_BYTES * len(found.pieces)
