"""A Qwen3-Reranker of a few hundred kilobytes with random weights, and its reference scores by transformers.

The scores are meaningless, but depend on every token of the prompt: equal scores mean equal prompts.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CONTEXT = 2048
_SEED = 1
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_MERGES = (("y", "e"), ("ye", "s"), ("n", "o"))
# The prompt of the model card, which the model was trained on.
_BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def tiny_qwen3(folder: Path) -> Path:
    """Write the model to *folder* unless it is there."""
    if not folder.is_dir():
        folder.mkdir()
        tokenizer = _tokenizer()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _write(folder, tokenizer)
    return folder


def reference(folder: Path, pairs: Sequence[tuple[str, str]], instruction: str) -> list[float]:
    """Compute the probability of "yes" after the prompt of the model card, in float32, one pair at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _reference(folder, [_prompt(query, document, instruction) for query, document in pairs])


def _prompt(query: str, document: str, instruction: str) -> str:
    return f"{_BEFORE}<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}{_AFTER}"


def _tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer in which "yes" and "no" are one token each."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(pair) for pair in _MERGES]
    tokenizer = Tokenizer(models.BPE(vocab={piece: at for at, piece in enumerate(pieces)}, merges=list(_MERGES)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIAL])
    return tokenizer


def _write(folder: Path, tokenizer: Tokenizer) -> None:
    import torch  # noqa: PLC0415 - takes ten seconds, and is needed for the reference only
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM  # noqa: PLC0415

    torch.manual_seed(_SEED)
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        # vLLM's attention on a CPU supports 32, 64, 80 and more; with 16 the server crashes at its first request.
        head_dim=32,
        max_position_embeddings=CONTEXT,
        # Large weights, so that scores differ clearly.
        initializer_range=0.35,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
    )
    Qwen3ForCausalLM(config).float().save_pretrained(folder)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.save_pretrained(folder)


def _reference(folder: Path, prompts: Sequence[str]) -> list[float]:
    import torch  # noqa: PLC0415
    from transformers import Qwen3ForCausalLM  # noqa: PLC0415

    model: Any = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    answers = [tokenizer.token_to_id("no"), tokenizer.token_to_id("yes")]
    found = []
    for prompt in prompts:
        ids = torch.tensor([tokenizer.encode(prompt, add_special_tokens=False).ids])
        with torch.no_grad():
            logits = model(ids).logits[0, -1, answers]
        found.append(float(logits.softmax(-1)[1]))
    return found
