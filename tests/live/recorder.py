"""A rerank server (TEI's API) in a thread, which records the texts that it is asked to score."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .threaded_server import Handler, serving


@dataclass
class Recorder:
    """The texts of all requests so far; `flags` are those of an endpoint that uses the server."""

    url: str = ""
    texts: list[str] = field(default_factory=list)

    @property
    def flags(self) -> tuple[str, ...]:
        model = ("--backend", "tei", "--profile", "minilm", "--tokenizer", "estimate", "--score-cache-size", "0")
        return ("--reranker", self.url, *model, "--no-self-test", "--deadline", "30s")

    def taken(self) -> list[str]:
        """Return the texts since the last call."""
        texts, self.texts = self.texts, []
        return texts


@contextmanager
def recording(score: Callable[[str], float] = lambda _text: 0.5) -> Iterator[Recorder]:
    """Run a recorder while the context is open; *score* returns the score of a text."""
    recorder = Recorder()

    class Recording(Handler):
        def do_POST(self) -> None:  # noqa: N802 - named by the library
            texts = json.loads(self.body())["texts"]
            recorder.texts += texts
            scores = [{"index": at, "score": score(text)} for at, text in enumerate(texts)]
            self.answer(200, [("Content-Type", "application/json")], json.dumps(scores).encode())

    with serving(Recording) as recorder.url:
        yield recorder
