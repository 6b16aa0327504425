"""Loads the model's tokenizer from a file, a folder or the model hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog
from tokenizers import Tokenizer

from es_rerank.rerank.chunking import Tokens, estimate

log = structlog.get_logger()


def load_tokens(setting: str, model: str) -> Tokens:
    """Load the tokenizer; if that fails, tokens are estimated and a warning is logged.

    Args:
        setting: The setting `tokenizer`: `estimate`, `auto`, a file, a folder, or a name at the hub.
        model: What `auto` means: a folder with the model, or its name at the hub.

    Returns:
        The function that finds the tokens of a text.

    """
    if setting == "estimate":
        return estimate
    source = model if setting == "auto" else setting
    try:
        tokenizer = _load(source)
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for every fault
        log.warning("tokenizer not found, tokens are estimated", tokenizer=source, reason=str(error).splitlines()[0])
        return estimate
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return _Offsets(tokenizer)


class _Offsets:
    """A tokenizer of which only the offsets are used."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap *tokenizer*."""
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> Sequence[tuple[int, int]]:
        """Return the `[start, end)` of each token, in characters."""
        offsets: Sequence[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets


def _load(source: str) -> Tokenizer:
    """Load from a file or folder if there is one of that name, otherwise from the hub."""
    path = Path(source)
    if path.is_dir():
        path = path / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.is_file() else Tokenizer.from_pretrained(source)
