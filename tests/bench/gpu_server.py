"""A rerank server with a full-size model and random weights, on a GPU if there is one.

Run `python -m tests.bench.gpu_server`. The model has the architecture of Qwen3-Reranker, so it takes as long as that
model; its scores are meaningless. The server implements vLLM's `/score` and prints its port. Requests are served
in order of arrival; as many as fill a batch are scored together, passages of similar length in one batch. Requests of
disconnected clients are dropped. Unlike vLLM it has no prefix cache: each passage costs its whole prompt.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from aiohttp import web

from tests.bench.gpu_model import AFTER, BEFORE, SHAPES, Model, tokens
from tests.bench.serving import serve


@dataclass(frozen=True, slots=True)
class Job:
    """One request: its prompts, the scores computed so far, and the future of the response."""

    prompts: Sequence[np.ndarray]
    answer: asyncio.Future[list[float]]
    scores: dict[int, float] = field(default_factory=dict)


Place = tuple[Job, int]


def batches(jobs: Sequence[Job], max_tokens: int) -> Iterator[list[Place]]:
    """Divide the prompts of requests, short ones first, into batches of at most *max_tokens*, padding included."""
    places = [(job, at) for job in jobs for at in range(len(job.prompts))]
    batch: list[Place] = []
    for job, at in sorted(places, key=lambda place: len(place[0].prompts[place[1]])):
        if batch and (len(batch) + 1) * len(job.prompts[at]) > max_tokens:
            yield batch
            batch = []
        batch.append((job, at))
    if batch:
        yield batch


class Worker:
    """The only caller of the model."""

    def __init__(self, model: Model, max_tokens: int) -> None:
        self._model, self._max_tokens = model, max_tokens
        self._queue: asyncio.Queue[Job] = asyncio.Queue()

    async def ask(self, prompts: Sequence[np.ndarray]) -> list[float]:
        job = Job(prompts, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(job)
        return await job.answer

    async def work(self) -> None:
        """Score queued requests, forever."""
        while True:
            jobs = [await self._queue.get()]
            while not self._queue.empty() and sum(len(one) for job in jobs for one in job.prompts) < self._max_tokens:
                jobs.append(self._queue.get_nowait())
            for batch in batches([job for job in jobs if not job.answer.done()], self._max_tokens):
                await self._read([(job, at) for job, at in batch if not job.answer.done()])

    async def _read(self, batch: Sequence[Place]) -> None:
        found = await asyncio.to_thread(self._model.scores, [job.prompts[at] for job, at in batch]) if batch else []
        for (job, at), score in zip(batch, found, strict=True):
            job.scores[at] = score
            if len(job.scores) == len(job.prompts) and not job.answer.done():
                job.answer.set_result([job.scores[place] for place in range(len(job.prompts))])


async def run(options: argparse.Namespace) -> None:
    worker = Worker(Model(SHAPES[options.size], compiled=options.compile), options.batch)

    async def score(request: web.Request) -> web.Response:
        body = await request.json()
        before = np.concatenate([BEFORE, tokens(body["text_1"])])
        found = await worker.ask([np.concatenate([before, tokens(text), AFTER]) for text in body["text_2"]])
        return web.json_response({"data": [{"index": at, "score": one} for at, one in enumerate(found)]})

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/score", score)
    working = asyncio.create_task(worker.work())
    # The first requests select, load and compile kernels, which differ for a single prompt.
    for length in (options.batch, 128, 256, 512):
        await worker.ask([np.arange(length)] * (options.batch // length))
    await asyncio.gather(working, serve(app))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu_server", description=__doc__.partition(":")[0])
    parser.add_argument("--size", choices=SHAPES, default="0.6B", help="size of the model")
    parser.add_argument("--batch", type=int, default=16_384, help="tokens per batch")
    parser.add_argument("--compile", action="store_true", help="compile the layers first")
    asyncio.run(run(parser.parse_args()))
