"""Latency and throughput of Qwen3-Reranker by size and prompt length: `python -m tests.bench.gpu [--size 4B ...]`.

The models have random weights. Only torch and transformers are needed, and a GPU for meaningful results. Each pair is a
prompt of its own, without a prefix cache. For a running vLLM, use `python -m tests.bench.score URL`.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator, Mapping
from statistics import median

import numpy as np
import torch

from tests.bench.gpu_model import SHAPES, VOCABULARY, Model

# Prompt lengths in tokens: a passage, the default limit of a passage, long documents, and the whole context.
LENGTHS = (512, 2048, 10_000, 20_000, 32_000)
# Latencies of Qwen3-Reranker-0.6B on an A10 with one pair per batch, in milliseconds, by maximum prompt length.
A10_MS: Mapping[int, int] = {2048: 210, 20_000: 580, 32_000: 790}
_WARM_UP = 2


def prompts(length: int, count: int) -> list[np.ndarray]:
    """Return *count* prompts of *length* random tokens."""
    generator = np.random.default_rng(length)
    return [generator.integers(0, VOCABULARY, length) for _ in range(count)]


def seconds_per_batch(model: Model, length: int, count: int, rounds: int) -> float:
    """Return the median time for a batch of *count* prompts of *length* tokens, in seconds."""
    batch, measured = prompts(length, count), []
    for number in range(_WARM_UP + rounds):
        began = time.perf_counter()
        # The scores are copied to the CPU, so that the time includes all work of the GPU.
        model.scores(batch)
        if number >= _WARM_UP:
            measured.append(time.perf_counter() - began)
    return median(measured)


def rows(model: Model, options: argparse.Namespace) -> Iterator[str]:
    """Yield a table row for each prompt length."""
    for length in options.lengths:
        one = seconds_per_batch(model, length, 1, options.rounds)
        count = max(1, options.batch // length)
        batch = one if count == 1 else seconds_per_batch(model, length, count, options.rounds)
        cells = (f"{length:,}", f"{one * 1e3:.1f}", f"{count / batch:.1f}", f"{count * length / batch:,.0f}")
        yield f"| {' | '.join(cells)} | {A10_MS.get(length, '')} |"


def device_name(model: Model) -> str:
    """Return the name of the device of a model."""
    return torch.cuda.get_device_name() if model.device == "cuda" else "the CPU"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=__doc__.partition(":")[0])
    parser.add_argument("--size", nargs="+", choices=SHAPES, default=["0.6B", "4B", "8B"], help="sizes of the model")
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS, help="tokens per prompt")
    parser.add_argument("--batch", type=int, default=65_536, help="tokens per batch, for the throughput")
    parser.add_argument("--rounds", type=int, default=10, help="measured batches per row")
    parser.add_argument("--compile", action="store_true", help="compile the layers first")
    options = parser.parse_args()
    for size in options.size:
        model = Model(SHAPES[size], compiled=options.compile)
        sys.stdout.write(f"\nQwen3-Reranker-{size}, random weights, on {device_name(model)}\n\n")
        sys.stdout.write("| tokens per pair | ms for one pair | pairs/s | tokens/s | ms on an A10 (0.6B) |\n")
        sys.stdout.write("| --- | --- | --- | --- | --- |\n")
        for row in rows(model, options):
            sys.stdout.write(row + "\n")
            sys.stdout.flush()
        # The next model needs the memory.
        del model
        gc.collect()
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
