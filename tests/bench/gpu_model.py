"""Qwen3-Reranker's architecture with random weights, for measurements of speed. Its scores are meaningless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from transformers import AutoModel, Qwen3Config

VOCABULARY = 151_669
BYTES_PER_TOKEN = 3.5
# Tokens of the prompt template before the query and after the document.
BEFORE, AFTER = np.arange(88), np.arange(88, 100)


def tokens(text: str) -> np.ndarray:
    """Derive token ids from the bytes of a text: about as many as a real tokenizer would return."""
    raw = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64)
    starts = (np.arange(np.ceil(len(raw) / BYTES_PER_TOKEN)) * BYTES_PER_TOKEN).astype(np.int64)
    return np.add.reduceat(raw * raw, starts) * 7919 % VOCABULARY if len(raw) else raw


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a model, as in its `config.json`."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int = 8


SHAPES: Mapping[str, Shape] = {
    "0.6B": Shape(1024, 3072, 28, 16),
    "4B": Shape(2560, 9728, 36, 32),
    "8B": Shape(4096, 12288, 36, 32),
    # For machines without a GPU, to try the benchmarks.
    "tiny": Shape(64, 192, 2, 4, 2),
}
"""The sizes of Qwen3-Reranker, by name."""


class Model:
    """The transformer and its scoring head, on a GPU if there is one; `device` names it."""

    def __init__(self, shape: Shape, *, compiled: bool) -> None:
        torch.manual_seed(1)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        config = Qwen3Config(vocab_size=VOCABULARY, head_dim=128, max_position_embeddings=40_960, **asdict(shape))
        with torch.device(self.device):
            self._body = AutoModel.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
            self._head = torch.nn.Linear(shape.hidden_size, 1, bias=False, dtype=torch.bfloat16)
        for layer in self._body.layers if compiled else ():
            layer.compile(dynamic=True)

    @torch.inference_mode()
    def scores(self, prompts: Sequence[np.ndarray]) -> list[float]:
        """Score prompts in one batch. A causal model needs no mask for padding on the right."""
        ends = torch.tensor([len(prompt) - 1 for prompt in prompts])
        rows = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(prompt) for prompt in prompts], batch_first=True)
        states = self._body(input_ids=rows.to(self.device), use_cache=False).last_hidden_state
        last = states[torch.arange(len(prompts), device=self.device), ends.to(self.device)]
        found: list[float] = self._head(last).squeeze(-1).float().tolist()
        return found
