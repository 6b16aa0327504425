"""A rerank server of true size with random weights, on a GPU if there is one: `python -m tests.bench.gpu_server`.

The model has the shape of Qwen3-Reranker-0.6B, so it takes that model's time; its scores mean nothing. It speaks vLLM's
`/score` and prints its port. Requests are taken first come, first served; the passages of as many of them as fill a
batch are read together, those of like length side by side. Nothing is read for a client that went away. There is no
prefix cache, which vLLM has: each passage costs its whole prompt.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from aiohttp import web
from transformers import AutoModel, Qwen3Config

from tests.bench.serving import serve

VOCABULARY = 151_669
BYTES_A_TOKEN = 3.5
# What the model's template puts before the query and after the document, in tokens.
BEFORE, AFTER = np.arange(88), np.arange(88, 100)


def tokens(text: str) -> np.ndarray:
    """Make up the tokens of a text: as many as a real tokenizer finds, about, each from its few bytes."""
    raw = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64)
    starts = (np.arange(np.ceil(len(raw) / BYTES_A_TOKEN)) * BYTES_A_TOKEN).astype(np.int64)
    return np.add.reduceat(raw * raw, starts) * 7919 % VOCABULARY if len(raw) else raw


class Model:
    """The transformer and its one output."""

    def __init__(self, asked: argparse.Namespace) -> None:
        torch.manual_seed(1)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        config = Qwen3Config(
            vocab_size=VOCABULARY,
            hidden_size=asked.hidden,
            intermediate_size=3 * asked.hidden,
            num_hidden_layers=asked.layers,
            num_attention_heads=asked.heads,
            num_key_value_heads=asked.heads // 2,
            head_dim=128,
        )
        with torch.device(self._device):
            self._body = AutoModel.from_config(config, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
            self._head = torch.nn.Linear(asked.hidden, 1, bias=False, dtype=torch.bfloat16)
        for layer in self._body.layers if asked.compile else ():
            layer.compile(dynamic=True)

    @torch.inference_mode()
    def scores(self, prompts: Sequence[np.ndarray]) -> list[float]:
        """Score prompts together. They are filled up behind, where a causal model does not look: no mask is needed."""
        ends = torch.tensor([len(prompt) - 1 for prompt in prompts])
        rows = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(prompt) for prompt in prompts], batch_first=True)
        states = self._body(input_ids=rows.to(self._device), use_cache=False).last_hidden_state
        last = states[torch.arange(len(prompts), device=self._device), ends.to(self._device)]
        found: list[float] = self._head(last).squeeze(-1).float().tolist()
        return found


@dataclass(frozen=True, slots=True)
class Job:
    """One request: its prompts, their scores as they come, and who waits for all of them."""

    prompts: Sequence[np.ndarray]
    answer: asyncio.Future[list[float]]
    scores: dict[int, float] = field(default_factory=dict)


Place = tuple[Job, int]


def batches(jobs: Sequence[Job], most: int) -> Iterator[list[Place]]:
    """Part the prompts of requests, the short ones first, into batches of at most *most* tokens with what fills up."""
    places = [(job, at) for job in jobs for at in range(len(job.prompts))]
    batch: list[Place] = []
    for job, at in sorted(places, key=lambda place: len(place[0].prompts[place[1]])):
        if batch and (len(batch) + 1) * len(job.prompts[at]) > most:
            yield batch
            batch = []
        batch.append((job, at))
    if batch:
        yield batch


class Worker:
    """The only one who asks the model."""

    def __init__(self, model: Model, most: int) -> None:
        self._model, self._most = model, most
        self._line: asyncio.Queue[Job] = asyncio.Queue()

    async def ask(self, prompts: Sequence[np.ndarray]) -> list[float]:
        job = Job(prompts, asyncio.get_running_loop().create_future())
        self._line.put_nowait(job)
        return await job.answer

    async def work(self) -> None:
        """Read for those who wait, as long as there are any."""
        while True:
            jobs = [await self._line.get()]
            while not self._line.empty() and sum(len(one) for job in jobs for one in job.prompts) < self._most:
                jobs.append(self._line.get_nowait())
            for batch in batches([job for job in jobs if not job.answer.done()], self._most):
                await self._read([(job, at) for job, at in batch if not job.answer.done()])

    async def _read(self, batch: Sequence[Place]) -> None:
        found = await asyncio.to_thread(self._model.scores, [job.prompts[at] for job, at in batch]) if batch else []
        for (job, at), score in zip(batch, found, strict=True):
            job.scores[at] = score
            if len(job.scores) == len(job.prompts) and not job.answer.done():
                job.answer.set_result([job.scores[place] for place in range(len(job.prompts))])


async def run(asked: argparse.Namespace) -> None:
    worker = Worker(Model(asked), asked.batch)

    async def score(request: web.Request) -> web.Response:
        body = await request.json()
        before = np.concatenate([BEFORE, tokens(body["text_1"])])
        found = await worker.ask([np.concatenate([before, tokens(text), AFTER]) for text in body["text_2"]])
        return web.json_response({"data": [{"index": at, "score": one} for at, one in enumerate(found)]})

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/score", score)
    working = asyncio.create_task(worker.work())
    # The first requests choose, load and compile the kernels; a prompt alone has ones of its own.
    for length in (asked.batch, 128, 256, 512):
        await worker.ask([np.arange(length)] * (asked.batch // length))
    await asyncio.gather(working, serve(app))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu_server", description=__doc__.partition(":")[0])
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--batch", type=int, default=16_384, help="tokens that are read at a time")
    parser.add_argument("--compile", action="store_true", help="have the layers compiled first")
    asyncio.run(run(parser.parse_args()))
