"""Loads the model's tokenizer from a file, a folder or Hugging Face, when exact token counts are needed first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog
from tokenizers import Tokenizer

log = structlog.get_logger()


class ModelTokenizer:
    """The tokenizer of the model, which is loaded on request: it can take hundreds of megabytes and seconds."""

    def __init__(self, setting: str, model: str) -> None:
        """Prepare to load a tokenizer.

        Args:
            setting: The setting `tokenizer`: `estimate`, `auto`, a file, a folder, or a Hugging Face model name.
            model: The folder or Hugging Face name of the model, whose tokenizer is used for `auto`.

        """
        self._source = None if setting == "estimate" else model if setting == "auto" else setting
        self._loading: asyncio.Task[Tokenizer | None] | None = None

    async def load(self) -> Tokenizer | None:
        """Return the tokenizer, or None if token counts are estimated. The first call loads (perhaps downloads) it."""
        if self._source is None:
            return None
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_loaded, self._source))
        # A search that ends at its deadline does not cancel the loading.
        return await asyncio.shield(self._loading)


def token_ends(tokenizer: Tokenizer, texts: Sequence[str], limit: int) -> list[int | None]:
    """Find where the first *limit* tokens of each text end. Releases the interpreter lock.

    Returns:
        For each text, the character offset after its first *limit* tokens; None if it has at most that many tokens.

    """
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    # `offsets` would build a list of all tokens.
    last = [one.token_to_chars(limit - 1) if len(one) > limit else None for one in encodings]
    return [range_[1] if range_ else None for range_ in last]


def _loaded(source: str) -> Tokenizer | None:
    """Load a tokenizer. If that fails, log a warning and return None."""
    try:
        tokenizer = _load(source)
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for every fault
        log.warning("tokenizer not found, tokens are estimated", tokenizer=source, reason=str(error).splitlines()[0])
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _load(source: str) -> Tokenizer:
    """Load from a local file or folder if it exists, otherwise from Hugging Face."""
    path = Path(source)
    if path.is_dir():
        path = path / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.is_file() else Tokenizer.from_pretrained(source)
