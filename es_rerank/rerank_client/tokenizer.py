"""Finds the model's tokenizer: a file, a folder, or a name at the model hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog
from tokenizers import Tokenizer

from es_rerank.rerank.chunking import Tokens, estimate

log = structlog.get_logger()


def load_tokens(setting: str, model: str) -> Tokens:
    """Load what the `tokenizer` setting says; where it cannot be had, tokens are estimated, and that is logged.

    *model* is what `auto` means: a folder of the model, or its name at the hub.
    """
    if setting == "estimate":
        return estimate
    wanted = model if setting == "auto" else setting
    try:
        tokenizer = _load(wanted)
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for every fault
        log.warning("tokenizer not found, tokens are estimated", tokenizer=wanted, reason=str(error).splitlines()[0])
        return estimate
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return _Offsets(tokenizer)


class _Offsets:
    """A tokenizer, asked for nothing but where its tokens lie."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap *tokenizer*."""
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> Sequence[tuple[int, int]]:
        """Give the `[start, end)` of each token in characters."""
        offsets: Sequence[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets


def _load(wanted: str) -> Tokenizer:
    """Load from a file or a folder if there is one of that name, else from the hub."""
    path = Path(wanted)
    if path.is_dir():
        path = path / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.is_file() else Tokenizer.from_pretrained(wanted)
