"""Loads the model's tokenizer from a file, a folder or Hugging Face, when exact token counts are first needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path

import structlog
from tokenizers import Tokenizer

log = structlog.get_logger()

_FILE = "tokenizer.json"
# Time limit of the request that checks whether Hugging Face can be reached. The client itself retries for 25 s.
_HUB_SECONDS = 3.0

Root = Callable[[], Awaitable[str | None]]
"""Returns the folder or name from which the rerank server loaded its model; None if the server does not report it."""


class ModelTokenizer:
    """The tokenizer of the model. It is loaded only when needed: this can take seconds and hundreds of megabytes."""

    def __init__(self, setting: str, model: str, root: Root | None = None) -> None:
        """Prepare to load a tokenizer.

        Args:
            setting: The setting `tokenizer`: `estimate`, `auto`, a file, a folder, or a Hugging Face model name.
            model: The folder or Hugging Face name of the model. For `auto`, the tokenizer is loaded from there, unless
                *root* returns another folder or name.
            root: A function that returns the folder or name from which the rerank server loaded its model, or None if
                the server does not report it.

        """
        self._source = None if setting == "estimate" else model if setting == "auto" else setting
        self._root = root if setting == "auto" else None
        self._loading: asyncio.Task[Tokenizer | None] | None = None

    async def load(self) -> Tokenizer | None:
        """Return the tokenizer; None if it cannot be loaded, or if token counts are always estimated.

        The first call loads it, and may download it.
        """
        if self._source is None:
            return None
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(self._source))
        # A search that ends at its deadline does not cancel the loading.
        return await asyncio.shield(self._loading)

    async def _load(self, source: str) -> Tokenizer | None:
        """Load the tokenizer from the folder or name that the server reports, otherwise from *source*."""
        is_local = await asyncio.to_thread(Path(source).exists)
        root = await self._root() if self._root and not is_local else None
        return await asyncio.to_thread(_loaded, root or source)


def token_ends(tokenizer: Tokenizer, texts: Sequence[str], limit: int) -> list[int | None]:
    """Find where the first *limit* tokens of each text end. Releases the GIL.

    Returns:
        For each text, the character offset after its first *limit* tokens; None if it has no more than *limit* tokens.

    """
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    # `offsets` would be slower: it builds a list of all tokens.
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
    """Load a tokenizer from a local file or folder if it exists, otherwise from Hugging Face or its local cache."""
    path = Path(source)
    if path.is_dir():
        path = path / _FILE
    return Tokenizer.from_file(str(path if path.is_file() else _from_hub(source)))


def _from_hub(model: str) -> Path:
    """Return the path of the tokenizer file in the local cache of Hugging Face. Download the file if necessary.

    Raises:
        Exception: If Hugging Face cannot be reached, or does not have the file.

    """
    # Imported here, because the import takes seconds.
    hub = import_module("huggingface_hub")
    # The library's own log handler writes plain text, but the log may have to be JSON.
    logger = logging.getLogger("huggingface_hub")
    logger.handlers.clear()
    logger.propagate = True
    try:
        return Path(hub.hf_hub_download(model, _FILE, local_files_only=True))
    except hub.errors.LocalEntryNotFoundError:
        hub.HfApi().model_info(model, timeout=_HUB_SECONDS)
    hub.utils.disable_progress_bars()
    return Path(hub.hf_hub_download(model, _FILE))
