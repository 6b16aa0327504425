"""Malformed or hostile requests get the engine's own response, or an error in its format and a closed connection.

Each row is sent to the engine and through the endpoint, byte for byte. Afterwards the same connection must answer
another request correctly or be closed, the endpoint must serve other clients, and nothing may be written twice.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from es_rerank_lab.parts.engines import Engine

from .bad_rows import INDEX, QUERY, ROWS, SEARCH, TOKEN, WRITES, Row, post
from .conftest import Serve
from .endpoint import IDENTITY
from .raw import Peer, Raw, fields
from .wire import Answer, ask, fill

KEEP = ("--window", "5", "--policy", "keep")
# More than the idle connections of the endpoint's pool, so that a broken one among them is noticed at once.
AT_ONCE = 8
# Texts that only a Python traceback would contain.
INSIDE = re.compile(rb"Traceback|aiohttp|asyncio|<html|[a-z]Error\b|[a-z]Exception\b|\bb'|\bb\\\"|\\n")
_tokens = count(int(time.time() * 16) & 0xFFFFFFF)


@pytest.fixture(scope="module")
def both(engine: Engine, serve: Serve) -> tuple[str, str]:
    """The URLs of the engine, and of an endpoint that keeps order and scores."""
    fill(engine.url, INDEX, {}, {f"r{at}": {"body": f"river {at}"} for at in range(6)})
    fill(engine.url, WRITES, {}, {"first": {"body": "a"}})
    return engine.url, serve(engine.url, *IDENTITY, *KEEP).url


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_malformed_input_gets_the_engines_response_or_an_error_in_its_format(row: Row, both: tuple[str, str]) -> None:
    engine, endpoint = both
    direct, _ = exchange(engine, row, row.as_if or row.sent, row.engine_limit_s)
    assert_serves(engine)
    through, token = exchange(endpoint, row, row.sent, row.limit_s)
    if (problem := judge(row, direct, through)) and "hangs" in direct:
        # The engine may have been slow.
        direct, _ = exchange(engine, row, row.as_if or row.sent, row.limit_s)
        problem = judge(row, direct, through)
    assert_serves(endpoint)
    assert not problem, f"{problem}\nthe engine: {direct}\nthe endpoint: {through}"
    written = ask(engine, "GET", f"/{WRITES}/_doc/{token.decode()}").json
    assert written.get("_version", 0) <= 1, written


def exchange(url: str, row: Row, sent: Sequence[bytes], limit_s: float) -> tuple[list[Raw | str], bytes]:
    """Send the bytes of a row, and return the responses; the last one tells the state of the connection."""
    token = b"t%08x" % next(_tokens)
    got: list[Raw | str] = []
    with Peer(url, limit_s) as peer:
        for at, part in enumerate(sent):
            time.sleep(0.1 if at else 0)
            peer.send(part.replace(TOKEN, token))
        if row.finish:
            peer.finish()
        try:
            while len(got) < row.answers and (answer := peer.answer(row.method)):
                got.append(normalized(answer, token))
            got.append(probed(peer))
        except TimeoutError:
            got.append("hangs")
    return got, token


def normalized(answer: Raw, token: bytes) -> Raw:
    """Return a response without the parts that differ from request to request."""
    body = re.sub(rb'("took"? ?: ?)\d+', rb"\g<1>0", answer.body.replace(token, TOKEN))
    body = re.sub(rb'"_seq_no":\d+', b'"_seq_no":0', body)
    headers = tuple((name, value.replace(token.decode(), TOKEN.decode())) for name, value in answer.headers)
    return Raw(answer.status, headers, body, answer.complete, answer.interim)


def probed(peer: Peer) -> str:
    """Return whether a connection answers another request correctly, or is closed."""
    peer.send(fields(f"GET /{INDEX}/_count HTTP/1.1", "Host: engine", "X-Opaque-Id: probe"))
    answer = peer.answer()
    if answer is None:
        return "closed"
    own = (answer.status, answer.header("X-Opaque-Id"), answer.complete) == (200, "probe", True)
    return "open" if own else f"answers another request with {answer}"


def judge(row: Row, direct: Sequence[Raw | str], through: Sequence[Raw | str]) -> str:
    """Return what is wrong with the endpoint's responses; "" if nothing is."""
    *answers, end = through
    if row.mute and through == ["closed"]:
        return ""
    if end not in {"open", "closed"}:
        return f"the connection {end}"
    engines = [answer for answer in direct if isinstance(answer, Raw)]
    for at, answer in enumerate(answers):
        assert isinstance(answer, Raw)
        if at < len(engines) and equal(answer, engines[at]):
            continue
        if row.strict:
            return f"answer {at} is not the engine's"
        last = at == len(answers) - 1
        return unclean(answer) or ("" if end == "closed" and last else "refused, but the connection is still open")
    return "" if len(answers) == len(engines) else "an answer is missing"


def equal(one: Raw, other: Raw) -> bool:
    """Compare two responses; the endpoint may frame the body differently."""
    return (one.status, content(one), one.header("X-Opaque-Id"), one.complete) == (
        other.status,
        content(other),
        other.header("X-Opaque-Id"),
        other.complete,
    )


def content(answer: Raw) -> Any:
    return answer.body if answer.json is None else answer.json


def unclean(answer: Raw) -> str:
    """Return what is wrong with an error of the endpoint; "" if nothing is."""
    if not 400 <= answer.status < 500:
        return f"an answer of its own with status {answer.status}"
    if answer.header("Content-Type").split(";")[0] != "application/json" or not isinstance(answer.json, dict):
        return "an error that is no JSON"
    error = answer.json.get("error", {})
    cause = {name: error.get(name) for name in ("type", "reason")}
    if answer.json != {"error": {"root_cause": [cause], **cause}, "status": answer.status} or not all(cause.values()):
        return "an error that is not in the engines' shape"
    return "an error that speaks of the inside" if INSIDE.search(answer.body) else ""


def assert_serves(url: str) -> None:
    """Send a few requests at the same time, each on its own connection."""

    def one(at: int) -> tuple[int, str]:
        head = fields(f"GET /{INDEX}/_count HTTP/1.1", "Host: engine", f"X-Opaque-Id: {at}")
        with Peer(url) as peer:
            peer.send(head)
            answer = peer.answer()
            return (answer.status, answer.header("X-Opaque-Id")) if answer else (0, "")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(one, range(AT_ONCE))) == [(200, str(at)) for at in range(AT_ONCE)]


def test_100_continue_is_sent_before_the_body_and_the_response_after_it(both: tuple[str, str]) -> None:
    request = post(SEARCH, QUERY, "Expect: 100-continue")[0]
    with Peer(both[1]) as peer:
        peer.send(request[: -len(QUERY)])
        assert peer.line() == b"HTTP/1.1 100 Continue"
        assert peer.line() == b""
        peer.send(request[-len(QUERY) :])
        answer = peer.answer()
    assert answer is not None
    assert (answer.status, answer.interim) == (200, ())
    assert answer.header("X-Rerank").startswith("reranked")


def test_a_client_that_is_still_sending_when_its_head_is_rejected_reads_the_error(both: tuple[str, str]) -> None:
    with Peer(both[1]) as peer:
        for _ in range(64):
            peer.send(b"X" * 16384)
            time.sleep(0.005)
        answer = peer.answer()
    assert answer is not None
    assert unclean(answer) == ""


@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/yaml"])
def test_an_error_is_json_whatever_the_client_accepts(accept: str, both: tuple[str, str]) -> None:
    with Peer(both[1]) as peer:
        peer.send(fields("GET / HTTP/1.1", "Host: engine", f"Accept: {accept}", "no colon"))
        answer = peer.answer()
        assert answer is not None
        assert unclean(answer) == ""
        assert peer.answer() is None


def test_a_write_with_a_truncated_body_is_never_applied(both: tuple[str, str]) -> None:
    """A chunked upload that is cut off is cut off to the engine too, which must not take it for complete."""
    head = fields(
        f"PUT /{WRITES}/_doc/cut HTTP/1.1",
        "Host: engine",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    )
    for rest in (b'd\r\n{"body":"cut"}\r\nzz\r\n', b'e\r\n{"body":"cut"}\r\n', b'e\r\n{"body":"cut"}\r\nzz\r\n'):
        with Peer(both[1]) as peer:
            peer.send(head)
            time.sleep(0.1)
            peer.send(rest)
            time.sleep(0.1)
            peer.finish()
            broken = peer.answer()
            assert broken is None or unclean(broken) == ""
    time.sleep(0.5)
    got: Answer = ask(both[0], "GET", f"/{WRITES}/_doc/cut")
    assert got.status == 404, got
