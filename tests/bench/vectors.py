"""New queries over known documents, scored by vLLM and from vectors: `python -m tests.bench.vectors [--model minilm]`.

Both endpoints run against the same real OpenSearch and the same real vLLM, and take turns with the same queries. The
one has the backend `vllm-rerank`, with which vLLM embeds the query and the documents again for each query, as with
`/score`. The other has the backend `vllm`, with which es-rerank keeps the vectors. A third endpoint then starts without
vectors and repeats one search with a deadline of 3 s until it is whole.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from es_rerank_lab.parts.engines import start_engine
from es_rerank_lab.parts.vllm import ModelServer
from tests.live.articles import articles
from tests.live.endpoint import Endpoint, start_endpoint
from tests.live.metrics import await_vectors, texts_read, tokens_read
from tests.live.models import Models
from tests.live.wire import fill

INDEX, WINDOW = "articles", 50
TOPICS = ("a bridge", "a volcano", "the harbour", "a patient", "the committee", "a machine", "the river", "a ledger")
MAX_TRIES = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One search: seconds until its answer, and the tokens that vLLM read for it."""

    seconds: float
    tokens: int


def search(endpoint: Endpoint, text: str) -> dict[str, str]:
    """Search the articles; return the outcome and its members."""
    body = {"query": {"match": {"body": text}}, "size": 10, "_source": False}
    state, *members = endpoint.search(INDEX, body).outcome.split("; ")
    return {"state": state, **dict(member.split("=", 1) for member in members)}


def measured(endpoint: Endpoint, server: ModelServer, text: str) -> Sample:
    """Search, and check that all hits of the window were reranked."""
    before, started_at = tokens_read(server), time.perf_counter()
    outcome = search(endpoint, text)
    seconds = time.perf_counter() - started_at
    if (outcome["state"], outcome.get("window")) != ("reranked", str(WINDOW)):
        raise RuntimeError(f"the window was not reranked: {outcome}")
    return Sample(seconds, tokens_read(server) - before)


def queries() -> Iterator[str]:
    """Yield queries, all different, each of which matches all articles."""
    number = 0
    while True:
        number += 1
        yield f"article {number} about {TOPICS[number % len(TOPICS)]}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The searches of both endpoints, and the memory of a vector in bytes."""

    pairs: Sequence[Sample]
    vectors: Sequence[Sample]
    bytes_per_vector: float


def compared(pairs: Endpoint, vectors: Endpoint, server: ModelServer, rounds: int, each: int) -> Comparison:
    """Search in turns: in each round once through *pairs*, and *each* times through *vectors*."""
    texts = queries()
    before = texts_read(server)
    measured(vectors, server, next(texts))
    size = await_vectors(vectors) / (texts_read(server) - before)
    found: tuple[list[Sample], list[Sample]] = ([], [])
    for _ in range(rounds):
        found[0].append(measured(pairs, server, next(texts)))
        found[1].extend(measured(vectors, server, next(texts)) for _ in range(each))
    return Comparison(*found, size)


def table(found: Comparison) -> str:
    """Format the comparison."""
    rows = [
        (name, _rate(samples), _tokens(samples))
        for name, samples in (("pairs", found.pairs), ("vectors", found.vectors))
    ]
    lines = [f"{name:8} {rate:8.2f} searches/s   {tokens:9.0f} tokens a search" for name, rate, tokens in rows]
    (_, pair_rate, pair_tokens), (_, vector_rate, vector_tokens) = rows
    lines.append(
        f"ratio    {vector_rate / pair_rate:8.1f} (>= 20)        {1 - vector_tokens / pair_tokens:9.2%} fewer (>= 95 %)"
    )
    lines.append(f"memory   {found.bytes_per_vector:8.0f} bytes a vector of a passage (<= 1024)")
    return "\n".join(lines)


def _rate(samples: Sequence[Sample]) -> float:
    return 1 / median(sample.seconds for sample in samples)


def _tokens(samples: Sequence[Sample]) -> float:
    return median(sample.tokens for sample in samples)


def cold_start(endpoint: Endpoint) -> str:
    """Repeat one search without a pause until its window is whole."""
    started_at, windows = time.perf_counter(), []
    while len(windows) < MAX_TRIES and (not windows or windows[-1] != str(WINDOW)):
        outcome = search(endpoint, "an article about a volcano")
        windows.append(outcome.get("window", outcome.get("why", "")))
    seconds = time.perf_counter() - started_at
    return f"cold     {len(windows)} searches in {seconds:.1f} s until the window is whole: {', '.join(windows)} (<= 3)"


@contextmanager
def running(engine: str, folder: Path, name: str, flags: Sequence[str]) -> Iterator[Endpoint]:
    """Run an endpoint."""
    endpoint = start_endpoint(engine, folder / f"{name}.log", *flags, "--log-level", "warning")
    try:
        endpoint.await_health("ok")
        yield endpoint
    finally:
        endpoint.process.stop()


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.vectors", description=__doc__.partition(":")[0])
    parser.add_argument("--model", choices=("e5", "minilm"), default="e5", help="the bi-encoder")
    parser.add_argument("--rounds", type=int, default=5, help="searches scored by vLLM")
    parser.add_argument("--each", type=int, default=20, help="searches scored from vectors, for each scored by vLLM")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    write: Callable[[str], object] = lambda line: sys.stdout.write(line + "\n")  # noqa: E731
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = stack.enter_context(start_engine("opensearch")).url
        fill(engine, INDEX, {"properties": {"body": {"type": "text"}}}, articles(WINDOW))
        models = Models(folder)
        stack.callback(models.stop)
        server, flags = models.running(options.model), models.flags(options.model)
        with running(engine, folder, "cold", [*flags, "--deadline", "3s"]) as cold:
            write(cold_start(cold))
        pairs = stack.enter_context(running(engine, folder, "pairs", [*flags, "--backend", "vllm-rerank"]))
        vectors = stack.enter_context(running(engine, folder, "vectors", flags))
        write(table(compared(pairs, vectors, server, options.rounds, options.each)))


if __name__ == "__main__":
    main()
