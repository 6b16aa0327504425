"""Requests with many searches on real engines: how many engine requests they are, their times, and whose headers win.

A proxy in front of the engine keeps each request, answers late, and names it in a header.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from es_rerank_lab.parts.engines import Engine

from .books import DOCUMENTS, INDEX, MAPPINGS
from .conftest import Serve
from .endpoint import Endpoint
from .threaded_server import Handler, serving
from .wire import LIMIT_S, NDJSON, Answer, ask, fill

ENGINE_SECONDS, MODEL_SECONDS = 0.2, 0.1
# The engine refuses to return more hits of it than a window has.
NARROW = "narrow-books"
WINDOW = 5
FLAGS = ("--profile", "bge-reranker", "--tokenizer", "estimate", "--no-self-test", "--deadline", "30s")
# The words of six searches, so that the model is asked for each.
WORDS = ("mill", "boat", "winter", "harbour", "chapter", "passage")
MARKED: Mapping[str, Any] = {"fields": {"body": {}}}
_OF_THE_CONNECTION = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass
class Proxied:
    """An engine behind a proxy: the searches that it got, the seconds of each, and an endpoint in front of it."""

    engine: str
    url: str = ""
    endpoint: Endpoint | None = None
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [target for target, _ in self.requests]

    def bodies(self, number: int) -> list[Any]:
        """Return the bodies of the searches of one `_msearch`."""
        return [json.loads(line) for line in self.requests[number][1].splitlines()][1::2]

    def send(self, target: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        """Send through the endpoint, and forget the engine requests before."""
        assert self.endpoint
        self.requests.clear()
        self.seconds.clear()
        return self.endpoint.ask("POST", target, body, headers)

    def histogram(self, name: str) -> tuple[float, int]:
        """Return the sum and the count of a histogram."""
        assert self.endpoint
        text = self.endpoint.page("GET", "/metrics").body.decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        prefix = f"es_rerank_{name}_duration_seconds"
        return float(values[f"{prefix}_sum"]), int(float(values[f"{prefix}_count"]))


def passing(proxied: Proxied) -> type[Handler]:
    """Make the handler of the proxy."""

    class Passing(Handler):
        def _pass(self) -> None:
            body, started = self.body(), time.monotonic()
            own = "_field_caps" in self.path
            name = f"{self.path} fetch" if b"post_filter" in body else self.path
            if not own:
                proxied.requests.append((self.path, body))
                time.sleep(ENGINE_SECONDS)
            connection = http.client.HTTPConnection(urlsplit(proxied.engine).netloc, timeout=LIMIT_S)
            connection.request(self.command, self.path, body, {**self.headers, "Host": "engine"})
            got = connection.getresponse()
            whole = got.read()
            connection.close()
            kept = [(key, value) for key, value in got.getheaders() if key.lower() not in _OF_THE_CONNECTION]
            more = [("X-Which", name), ("X-Caps" if own else "X-Searched", "1")]
            if name != self.path:
                more.append(("X-Fetch", "1"))
            if not own:
                proxied.seconds.append(time.monotonic() - started)
            self.answer(got.status, [*kept, *more], whole)

        do_GET = do_POST = _pass  # noqa: N815 - named by the library

    return Passing


class Model(Handler):
    """A rerank server that finds the last text the best, after a while."""

    def do_POST(self) -> None:  # noqa: N802 - named by the library
        texts = json.loads(self.body())["text_2"]
        time.sleep(MODEL_SECONDS)
        rows = [{"index": index, "score": float(index)} for index in range(len(texts))]
        self.answer(200, [("Content-Type", "application/json")], json.dumps({"data": rows}).encode())


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with serving(Model) as url:
        yield url


def behind(engine: Engine, serve: Serve, model: str) -> Iterator[Proxied]:
    """Fill an engine, and run a proxy and an endpoint in front of it."""
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    fill(engine.url, NARROW, MAPPINGS, DOCUMENTS)
    narrowed = ask(engine.url, "PUT", f"/{NARROW}/_settings", {"index.max_result_window": WINDOW - 1})
    assert narrowed.status == 200, narrowed
    proxied = Proxied(engine.url)
    with serving(passing(proxied)) as url:
        proxied.endpoint = serve(url, "--reranker", model, *FLAGS, "--window", str(WINDOW))
        # The engine and the mapping are warm then.
        assert proxied.send(f"/{INDEX}/_msearch", lines(searches(highlight=MARKED)[:1]), NDJSON).outcome.startswith(
            "reranked"
        )
        yield proxied
        proxied.endpoint.process.stop()
    # Other modules search all indices.
    ask(engine.url, "DELETE", f"/{NARROW}")


@pytest.fixture(scope="module")
def proxied(engine: Engine, serve: Serve, model: str) -> Iterator[Proxied]:
    yield from behind(engine, serve, model)


@pytest.fixture(scope="module")
def evaluating(opensearch: Engine, serve: Serve, model: str) -> Iterator[Proxied]:
    """OpenSearch, which renders templates and rates orders."""
    yield from behind(opensearch, serve, model)


def lines(searches: Sequence[Any], indices: Sequence[str] = ()) -> bytes:
    headers = [{"index": name} for name in indices] or [{}] * len(searches)
    pairs = zip(headers, searches, strict=True)
    return b"".join(json.dumps(one).encode() + b"\n" for pair in pairs for one in pair)


def searches(more: str = "", **members: Any) -> list[Any]:
    """Write six searches; texts with *more* words are new to the model, and their hits are the same."""
    return [{"query": {"match": {"body": f"river {word} {more}"}}, "size": 2, **members} for word in WORDS]


def templates(more: str = "") -> list[Any]:
    source = json.dumps({"query": {"match": {"body": "{{q}}"}}, "size": 2})
    return [{"source": source, "params": {"q": f"river {word} {more}"}} for word in WORDS]


def evaluation(more: str = "") -> Any:
    requests = [{"id": str(number), "ratings": [], "request": search} for number, search in enumerate(searches(more))]
    return {"requests": requests, "metric": {"precision": {"k": 3}}}


def times(answer: Answer) -> dict[str, float]:
    """Read the times of `Server-Timing`, in seconds."""
    entries = (entry.partition(";dur=") for entry in answer.header("Server-Timing").split(", "))
    return {name: float(milliseconds) / 1e3 for name, _, milliseconds in entries}


def reversed_window(engine: str, search: Any) -> list[str]:
    """Return the ids of the page that the model wants: the engine's window, last hit first."""
    return ask(engine, "POST", f"/{INDEX}/_search", {**search, "size": WINDOW}).ids[::-1][: search["size"]]


def check_times(proxied: Proxied, target: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a request; its times are those in which the engine and the model worked, also in the histograms.

    The sum over its searches would be several times as long as what the engine took.
    """
    before = {name: proxied.histogram(name) for name in ("engine", "rerank", "overhead")}
    started = time.monotonic()
    answer = proxied.send(target, body, headers)
    elapsed = time.monotonic() - started
    assert answer.status == 200, answer
    assert answer.outcome.count("reranked") == len(WORDS)
    shown = times(answer)
    assert list(shown) == ["engine", "rerank", "proxy"]
    # The union of all engine requests, two of which at least are one after another, is at most their sum.
    assert 2 * ENGINE_SECONDS * 0.99 <= shown["engine"] <= sum(proxied.seconds) + 0.5
    assert shown["rerank"] >= MODEL_SECONDS * 0.99
    assert sum(shown.values()) <= elapsed + 0.001
    assert sum(shown.values()) >= elapsed - 0.5
    for name, header in {"engine": "engine", "rerank": "rerank", "overhead": "proxy"}.items():
        total, count = proxied.histogram(name)
        assert total - before[name][0] == pytest.approx(shown[header], abs=0.05)
        assert count - before[name][1] == 1
    return answer


def test_the_times_of_many_searches_are_those_in_which_the_engine_and_the_model_worked(proxied: Proxied) -> None:
    check_times(proxied, f"/{INDEX}/_msearch", lines(searches("timed", highlight=MARKED)), NDJSON)
    assert len(proxied.seconds) == 2


def test_the_times_of_an_evaluation_are_those_of_its_two_engine_requests(evaluating: Proxied) -> None:
    check_times(evaluating, f"/{INDEX}/_rank_eval", evaluation("evaluated"))
    assert len(evaluating.seconds) == 2


def test_templates_that_are_rendered_at_once_count_once(evaluating: Proxied) -> None:
    body = lines(templates("rendered"), [INDEX] * len(WORDS))
    answer = check_times(evaluating, "/_msearch/template", body, NDJSON)
    assert len(evaluating.seconds) == len(WORDS) + 1
    assert times(answer)["engine"] < sum(evaluating.seconds) - 2 * ENGINE_SECONDS


def test_many_searches_are_one_query_phase_and_one_fetch_phase(proxied: Proxied) -> None:
    answer = proxied.send(f"/{INDEX}/_msearch", lines(searches(highlight=MARKED)), NDJSON)
    assert proxied.paths == [f"/{INDEX}/_msearch"] * 2
    assert [{"post_filter" in body for body in proxied.bodies(phase)} for phase in (0, 1)] == [{False}, {True}]
    found = answer.json["responses"]
    assert [[hit["_id"] for hit in one["hits"]["hits"]] for one in found] == [
        reversed_window(proxied.engine, search) for search in searches()
    ]
    assert all("highlight" in hit for one in found for hit in one["hits"]["hits"])


def test_an_evaluation_is_one_query_phase_and_the_evaluation_itself(evaluating: Proxied) -> None:
    answer = evaluating.send(f"/{INDEX}/_rank_eval", evaluation())
    assert evaluating.paths == [f"/{INDEX}/_msearch", f"/{INDEX}/_rank_eval"]
    assert (answer.status, answer.json["failures"]) == (200, {})
    shown = {name: [hit["hit"]["_id"] for hit in one["hits"]] for name, one in answer.json["details"].items()}
    expected = [reversed_window(evaluating.engine, {**search, "size": 3}) for search in searches()]
    assert [shown[str(number)] for number in range(len(WORDS))] == expected


def test_a_search_that_fails_when_it_is_widened_is_retried_with_the_fetch_phase_of_the_others(proxied: Proxied) -> None:
    body = lines(searches(highlight=MARKED)[:3], [INDEX, NARROW, INDEX])
    answer = proxied.send("/_msearch", body, NDJSON)
    direct = ask(proxied.engine, "POST", "/_msearch", body, NDJSON)
    states = [entry.partition(";")[0] for entry in answer.outcome.split(", ")]
    assert states == ["reranked", "skipped", "reranked"]
    assert "skipped; why=engine_error" in answer.outcome
    # In an index without a pipeline, the settings of the index are read once.
    searched = [at for at, path in enumerate(proxied.paths) if "/_settings/" not in path]
    assert [proxied.paths[at] for at in searched] == ["/_msearch"] * 2
    assert ["post_filter" in body for body in proxied.bodies(searched[1])] == [True, False, True]
    assert answer.json["responses"][1]["hits"] == direct.json["responses"][1]["hits"]


def test_status_and_headers_are_those_of_the_engines_reply_to_the_clients_own_request(
    proxied: Proxied, evaluating: Proxied
) -> None:
    cases: Sequence[tuple[Proxied, str, object, Mapping[str, str] | None]] = (
        (proxied, f"/{INDEX}/_msearch", lines(searches(highlight=MARKED)), NDJSON),
        (evaluating, f"/{INDEX}/_rank_eval", evaluation(), None),
        (evaluating, f"/{INDEX}/_search/template", templates()[0], None),
    )
    for server, target, body, headers in cases:
        answer = server.send(target, body, headers)
        direct = ask(server.engine, "POST", target, body, headers)
        assert (answer.status, answer.header("X-Which")) == (direct.status, target)
        assert (answer.header("X-Caps"), answer.header("X-Fetch")) == ("", "")
        assert answer.header("Content-Type") == direct.header("Content-Type")
        assert len(server.requests) > 1
