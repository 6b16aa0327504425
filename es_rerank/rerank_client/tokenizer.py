"""Loads the model's tokenizer from a file, a folder or Hugging Face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog
from tokenizers import Tokenizer

from es_rerank.rerank.chunking import Tokens, estimate

log = structlog.get_logger()


def load_tokens(setting: str, model: str) -> Tokens:
    """Load the tokenizer. If that fails, log a warning and use the approximate tokenizer.

    Args:
        setting: The setting `tokenizer`: `estimate`, `auto`, a file, a folder, or a Hugging Face model name.
        model: The folder or Hugging Face name of the model, whose tokenizer is used for `auto`.

    Returns:
        The tokenizer.

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
    """Adapts a Hugging Face tokenizer to the type `Tokens`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap *tokenizer*."""
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> Sequence[tuple[int, int]]:
        """Return the character range `(start, end)` of each token."""
        offsets: Sequence[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets


def _load(source: str) -> Tokenizer:
    """Load from a local file or folder if it exists, otherwise from Hugging Face."""
    path = Path(source)
    if path.is_dir():
        path = path / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.is_file() else Tokenizer.from_pretrained(source)
