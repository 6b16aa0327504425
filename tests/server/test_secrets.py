"""No secret and no text of a user is in the output of the endpoint: its log, its errors, its admin pages.

The program runs as in production, with every secret set and the log level `debug`, and encounters every fault that the
tests can cause.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from es_rerank.config.settings import Settings
from es_rerank.testing import (
    ClientReply,
    FakeResponse,
    FakeServer,
    ReceivedRequest,
    RunningEndpoint,
    score_response,
    search_response,
    serve_fake,
    until,
)

LIMIT_S = 30.0
# Every secret contains the first, and every text of a user the second; the rest of a value identifies it.
SECRET, TEXT = "s3cr3t", "t3xt"
SECRETS = sorted(name for name, row in Settings.model_fields.items() if "SecretStr" in str(row.annotation))
USER = "machine"
PASSWORD, TOKEN = f"{SECRET}-of-the-caller", f"{SECRET}-token-of-the-caller"
BASIC = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CREDENTIALS: Mapping[str, str] = {
    "Authorization": f"Basic {BASIC}",
    "authorization": f"ApiKey {TOKEN}",
    "AUTHORIZATION": f"Bearer {TOKEN}",
    "es-secondary-authorization": f"Basic {BASIC}",
    "Cookie": f"session={TOKEN}",
    "Proxy-Authorization": f"Basic {BASIC}",
    "X-Amz-Security-Token": TOKEN,
    "X-Api-Key": TOKEN,
}
HITS = [(str(at), 9.0 - at, f"{TEXT} of document {at}, which is long enough to be quoted from") for at in range(3)]
STRICT = "index: strict*\nstrict: true\n"
SHADOW = "index: shadow*\nmode: shadow\n"
OTHERS = "index: '*'\n"


def secret(name: str) -> str:
    return f"{SECRET}-{name.replace('_', '-')}"


def encodings(*values: str) -> set[str]:
    """Return the encodings in which a secret may appear."""
    pairs = [value for value in values for value in (value, b64encode(value.encode()).decode())]
    return {form for value in pairs for form in (value, value.encode().hex())}


OURS = {name: secret(name) for name in SECRETS}
FORBIDDEN = encodings(SECRET, BASIC, *OURS.values(), f"{USER}:{OURS['upstream_password']}")


@dataclass
class Output:
    """All output of the program."""

    log: Path
    texts: list[str] = field(default_factory=list)
    # Size of the log when this test started: tests share programs.
    start: int = 0

    def note(self, got: ClientReply) -> ClientReply:
        self.texts.append(f"{got.status} {dict(got.headers)} {got.body.decode('utf-8', 'replace')}")
        return got

    def secrets(self) -> list[str]:
        everything = [*self.texts, *self.logged().splitlines()]
        return [line for line in everything if any(form in line for form in FORBIDDEN)]

    def logged(self) -> str:
        return self.log.read_bytes()[self.start :].decode(errors="replace")


def search(text: str) -> dict[str, Any]:
    return {"query": {"match": {"body": f"{TEXT} typed {text}"}}}


def lines(*bodies: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in bodies)


def caps(seen: ReceivedRequest) -> FakeResponse:
    name = seen.target.split("/")[1]
    return FakeResponse(json.dumps({"indices": [name], "fields": {"body": {"text": {}}}}).encode())


@dataclass
class Program:
    """A running `es-rerank serve`, shared by tests, and the fakes that it is connected to."""

    process: subprocess.Popen[bytes]
    endpoint: RunningEndpoint
    log: Path
    engine: FakeServer
    reranker: FakeServer

    def output(self) -> Output:
        """Return the output of the program from now on."""
        return Output(self.log, start=self.log.stat().st_size)


@asynccontextmanager
async def program(folder: Path, scheme: str = "http", **settings: str) -> AsyncIterator[Program]:
    """Run `es-rerank serve` with settings as environment variables and its output in a file."""
    async with serve_fake(FakeServer(dict(ENGINE))) as engine, serve_fake(FakeServer()) as reranker:
        urls = {"upstream": engine.url.replace("http:", f"{scheme}:"), "reranker": reranker.url}
        async with _serving(folder, **urls | settings) as (process, endpoint):
            yield Program(process, endpoint, folder / "log", engine, reranker)


@asynccontextmanager
async def _serving(folder: Path, **settings: str) -> AsyncIterator[tuple[subprocess.Popen[bytes], RunningEndpoint]]:
    output = Output(folder / "log")
    own = {name: value for name, value in os.environ.items() if not name.startswith("ES_RERANK_")}
    values = {
        "listen": "127.0.0.1:0",
        "admin_listen": "localhost:0",
        "log_level": "debug",
        "tokenizer": "estimate",
        "profile": "bge-reranker",
        "self_test": "false",
        "inference_ids": "mine",
        "connect_timeout": "1s",
        **settings,
    }
    variables = {f"ES_RERANK_{name.upper()}": value for name, value in values.items()}
    with output.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - awaited below
            [sys.executable, "-X", "dev", "-W", "default", "-m", "es_rerank", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # The memory checks of the development mode would slow the program down.
            env={**own, **variables, "PYTHONMALLOC": "default"},
        )
        try:
            url, pages = await listening(process, output)
            timeout = aiohttp.ClientTimeout(total=LIMIT_S)
            async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session:
                yield process, RunningEndpoint(url, session, pages)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, LIMIT_S)


async def listening(process: subprocess.Popen[bytes], output: Output) -> tuple[str, str]:
    await until(lambda: '"event": "listening"' in output.logged() or process.poll() is not None, LIMIT_S)
    found = [json.loads(line) for line in output.logged().splitlines() if '"event": "listening"' in line]
    assert found, output.logged()
    return found[0]["url"], found[0]["admin_url"].removesuffix("/_rerank/")


REQUESTS: Mapping[str, tuple[str, str, Any]] = {
    "search": ("POST", "/docs/_search", search("1")),
    "strict search": ("POST", "/strict/_search", search("2")),
    "shadow": ("POST", "/shadow/_search", search("3")),
    "msearch": ("POST", "/_msearch", lines({"index": "docs"}, search("4"), {"index": "strict"}, search("5"))),
    "template": ("POST", "/docs/_search/template", {"source": search("6")}),
    "async": ("POST", "/docs/_async_search", search("7")),
    "rank_eval": (
        "POST",
        "/docs/_rank_eval",
        {"requests": [{"id": "a", "request": search("8"), "ratings": []}], "metric": {"precision": {}}},
    ),
    "inference": ("POST", "/_inference/rerank/mine", {"query": f"{TEXT} typed", "input": [f"{TEXT} one", "two"]}),
    "broken inference": ("POST", "/_inference/rerank/mine", {"query": f"{TEXT} typed", "top_n": f"{TEXT}"}),
    "write": ("PUT", "/docs/_doc/1", {"body": f"{TEXT} written"}),
    "broken body": ("POST", "/docs/_search", b'{"query": {"match": {"body": "t3xt"'),
    "broken lines": ("POST", "/_msearch", b'{}\n{"query": "t3xt"\n'),
    "coded body": ("POST", "/docs/_search", b"\x1f\x8b t3xt"),
    "head": ("HEAD", "/docs", None),
}


async def send_requests(
    proxy: RunningEndpoint, output: Output, names: Sequence[str] = tuple(REQUESTS), *, suffix: str = ""
) -> None:
    """Send requests, each with another kind of credentials, and then request the admin pages.

    A *suffix* is appended to the names of the indices.
    """
    kinds = list(CREDENTIALS.items())
    for at, name in enumerate(names):
        method, target, body = REQUESTS[name]
        target = re.sub(r"^/(docs|strict|shadow)\b", rf"/\1{suffix}", target)
        if isinstance(body, bytes):
            body = re.sub(rb'"index": "(docs|strict)"', rb'"index": "\1%s"' % suffix.encode(), body)
        header, value = kinds[at % len(kinds)]
        coding = [("Content-Encoding", "gzip")] if name == "coded body" else []
        kind = ("Content-Type", "application/x-ndjson" if "_msearch" in target else "application/json")
        with suppress(aiohttp.ClientPayloadError):  # a response that the engine cuts off is cut off
            output.note(await proxy.send(method, target, body, [(header, value), kind, *coding]))
    await pages(proxy, output)


async def pages(proxy: RunningEndpoint, output: Output) -> None:
    for path in ("/", "/metrics", "/health/ready", "/health/live", "/nothing"):
        output.note(await proxy.pages.send("GET", f"/_rerank{path}", headers=CREDENTIALS.items()))
    candidates = {"query": f"{TEXT} typed", "candidates": [f"{TEXT} a", f"{TEXT} b"]}
    for body in (candidates, {**candidates, "candidates": [{f"{TEXT}": SECRET}]}):
        output.texts.append((await proxy.pages.send("POST", "/_rerank/rank", body, CREDENTIALS.items())).body.decode())


ENGINE: Mapping[str, Any] = {
    **{f"/{name}/_field_caps": caps for name in ("docs", "strict", "shadow")},
    "/_render/template": FakeResponse(b'{"template_output":%s}' % json.dumps(search("6")).encode()),
    "/_msearch": FakeResponse(b'{"responses":[%s,%s]}' % (search_response(*HITS), search_response(*HITS))),
    "/docs/_async_search": FakeResponse(
        b'{"id":"x","is_running":false,"is_partial":false,"response":%s}' % search_response(*HITS)
    ),
    "/docs/_rank_eval": FakeResponse(b'{"metric_score":1.0}'),
    "": FakeResponse(search_response(*HITS)),
}


def echo(status: int) -> Callable[[ReceivedRequest], FakeResponse]:
    """Return a fake that repeats the whole request: headers and body."""

    def respond(seen: ReceivedRequest) -> FakeResponse:
        content = {"error": "refused", "headers": dict(seen.headers), "body": seen.body.decode()}
        return FakeResponse(json.dumps(content).encode(), status=status)

    return respond


def rows(seen: ReceivedRequest) -> FakeResponse:
    """Respond like a rerank server that returns the documents, but without scores."""
    found = [{"index": at, "document": {"text": text}} for at, text in enumerate(seen.json["text_2"])]
    return FakeResponse(json.dumps({"data": found}).encode())


RERANKERS: Mapping[str, Any] = {
    "valid": score_response({"document 2": 2.0}),
    **{f"rejects with {status}": echo(status) for status in (302, 400, 401, 403, 404, 413, 422, 429, 500, 503)},
    "repeats the request": echo(200),
    "rows without scores": rows,
    "not JSON": lambda seen: FakeResponse(str(dict(seen.headers)).encode() + seen.body),
    "cut off response": FakeResponse([b'{"data":'], cut_off=True),
    "late": FakeResponse(b"{}", seconds=0.7),
}


def mappings(folder: Path) -> str:
    own = folder / "mappings"
    own.mkdir()
    for name, text in (("a", STRICT), ("b", SHADOW), ("z", OTHERS)):
        (own / f"{name}.yaml").write_text(text)
    return str(own)


def ours(*without: str) -> dict[str, str]:
    """Return settings with our secrets. No server listens at the address of the shared cache."""
    return {"shared_cache": "redis://127.0.0.1:9"} | {name: OURS[name] for name in OURS if name not in without}


CREDENTIAL_SETTINGS: Mapping[str, dict[str, str]] = {
    "key": ours("upstream_password"),
    "password": {**ours("upstream_api_key"), "upstream_username": USER},
}


ENGINE_FAULTS = {"reranker": "http://127.0.0.1:9", **CREDENTIAL_SETTINGS["key"]}
PROGRAMS: Mapping[str, dict[str, str]] = {
    "down": {"upstream": "http://127.0.0.1:9", **ENGINE_FAULTS},
    "https": {"scheme": "https", **ENGINE_FAULTS},
    "https pinned": {"scheme": "https", "upstream_fingerprint": "a" * 64, **ENGINE_FAULTS},
    **{kind: {"deadline": "0.5s", "score_cache_size": "0", **ours} for kind, ours in CREDENTIAL_SETTINGS.items()},
}


@pytest.fixture(scope="module")
async def programs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mapping[str, Program]]:
    async with AsyncExitStack() as stack:
        started: dict[str, Program] = {}

        async def start(name: str) -> None:
            folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
            running = program(folder, mappings=mappings(folder), **PROGRAMS[name])
            started[name] = await stack.enter_async_context(running)

        first, *others = PROGRAMS
        await start(first)  # alone, so that the others find byte code
        async with asyncio.TaskGroup() as starting:
            for name in others:
                starting.create_task(start(name))
        yield started
        for one in started.values():
            one.process.terminate()


async def reranker_is_ok(endpoint: RunningEndpoint) -> None:
    """Wait until the endpoint sends searches to the rerank server again."""
    async with asyncio.timeout(LIMIT_S):
        while (await endpoint.pages.send("GET", "/_rerank/health/ready")).json["reranker"] != "ok":  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", CREDENTIAL_SETTINGS)
async def test_a_rerank_server_that_repeats_the_request_is_not_quoted(
    kind: str, programs: Mapping[str, Program]
) -> None:
    running, output = programs[kind], programs[kind].output()
    for name, response in RERANKERS.items():
        running.reranker.says = {"": response}
        await send_requests(running.endpoint, output, ["strict search"] if name != "valid" else tuple(REQUESTS))
        running.reranker.says = {"": RERANKERS["valid"]}  # so that the breaker does not open
        await send_requests(running.endpoint, output, ["search"])
        await reranker_is_ok(running.endpoint)
    sent = {seen.headers["Authorization"] for seen in running.reranker.seen}
    assert sent == {f"Bearer {OURS['reranker_api_key']}"}
    assert sum("rerank_exception" in text for text in output.texts) >= len(RERANKERS) - 2
    failed = [json.loads(line)["why"] for line in output.logged().splitlines() if "reranker failed" in line]
    assert {"refused", "overloaded", "reranker_error", "bad_answer"} <= set(failed)
    assert output.secrets() == []
    assert [line for line in output.logged().splitlines() if TEXT in line] == []


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("down", FakeResponse()),
        ("key", FakeResponse(b"", cut_off=True)),
        ("key", FakeResponse(b'{"error":"who are you?"}', status=401)),
        ("key", FakeResponse(b"<html>", status=500)),
        ("key", FakeResponse(b"{")),
        ("key", FakeResponse(b"{}", headers=[("Content-Encoding", "gzip")])),
        ("https", FakeResponse(b"{}")),
        ("https pinned", FakeResponse(b"{}")),
    ],
    ids=["down", "cut off", "401", "500", "not JSON", "not gzip", "no TLS", "no TLS to pin"],
)
async def test_no_fault_of_the_engine_reveals_a_secret(
    name: str, answer: FakeResponse, programs: Mapping[str, Program], request: pytest.FixtureRequest
) -> None:
    running, output = programs[name], programs[name].output()
    running.engine.says = {"": answer}
    # Fields of an index are cached, and failures for a moment, so each test has its own indices.
    case = request.node.callspec.id.replace(" ", "-").lower()
    await send_requests(running.endpoint, output, suffix=f"-{case}")
    assert output.logged()
    assert output.secrets() == []
    assert [line for line in output.logged().splitlines() if TEXT in line] == []


END = "\r\n\r\n"
HEADS: Mapping[str, str] = {
    "user in the target": f"GET http://{USER}:{PASSWORD}@engine/docs/_search HTTP/1.1\r\nHost: engine",
    "user in the host": f"GET /docs/_search HTTP/1.1\r\nHost: {USER}:{PASSWORD}@engine",
    "space in a name": f"GET / HTTP/1.1\r\nHost: engine\r\nAuthorization : Basic {BASIC}",
    "no colon": f"GET / HTTP/1.1\r\nHost: engine\r\nAuthorization Bearer {TOKEN}",
    "control character": f"GET / HTTP/1.1\r\nHost: engine\r\nAuthorization: Bearer \x01{TOKEN}",
    "not UTF-8": f"GET / HTTP/1.1\r\nHost: engine\r\nAuthorization: Bearer \xff{TOKEN}",
    "folded": f"GET / HTTP/1.1\r\nHost: engine\r\nAuthorization: Basic\r\n {BASIC}",
    "too long": f"GET / HTTP/1.1\r\nHost: engine\r\nAuthorization: Bearer {TOKEN}{'x' * 70_000}",
    "method": f"{TOKEN} / HTTP/1.1\r\nHost: engine\r\nAuthorization: Basic {BASIC}",
    "version": f"GET / {TOKEN}\r\nHost: engine\r\nAuthorization: Basic {BASIC}",
    "expectation": f"GET / HTTP/1.1\r\nHost: engine\r\nExpect: {TOKEN}",
    "deadline": f"POST /docs/_search HTTP/1.1\r\nHost: engine\r\nX-Rerank-Deadline: {TOKEN}\r\nContent-Length: 0",
    "length": f"POST /docs/_search HTTP/1.1\r\nHost: engine\r\nCookie: {TOKEN}\r\nContent-Length: {TOKEN}",
    "coding": f"POST /docs/_search HTTP/1.1\r\nHost: engine\r\nCookie: {TOKEN}\r\nTransfer-Encoding: {TOKEN}",
    "chunk": f"POST /docs/_search HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\n\r\n{TOKEN}",
    "fragment": f"GET /docs/_search?q=a#{TOKEN} HTTP/1.1\r\nHost: engine",
    "query": f"GET /docs/_search?q={TEXT}&api_key={TOKEN}&source={{ HTTP/1.1\r\nHost: engine",
}


async def test_no_invalid_request_head_is_quoted(programs: Mapping[str, Program]) -> None:
    running, output = programs["down"], programs["down"].output()
    for target in (running.endpoint.url, running.endpoint.own):
        for head in HEADS.values():
            response = await raw(target, (head.replace("\r\n", "\r\nConnection: close\r\n", 1) + END).encode("latin-1"))
            output.texts.append(response.decode("utf-8", "replace"))
    assert {text[9:10] for text in output.texts} == {"4", "5"}
    assert sum(text[9:10] == "4" for text in output.texts) > len(HEADS)
    assert output.secrets() == []
    assert TEXT not in output.logged()


async def raw(url: str, data: bytes) -> bytes:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(data)
        async with asyncio.timeout(LIMIT_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_settings_with_secrets_have_a_secret_type() -> None:
    """The tests of this module then cover each new secret setting."""
    assert {"reranker_api_key", "upstream_api_key", "upstream_password"} <= set(SECRETS)
    named = {name for name in Settings.model_fields if name.endswith(("_api_key", "_password", "_token", "_secret"))}
    assert named <= set(SECRETS)
    shown = str(Settings.model_validate({**CREDENTIAL_SETTINGS["key"]}))
    assert [form for form in FORBIDDEN if form in shown] == []
