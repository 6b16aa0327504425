from __future__ import annotations

from pathlib import Path

import pytest
from multidict import CIMultiDict

from es_rerank.config import Settings
from es_rerank.errors import UpstreamError
from es_rerank.upstream import Request, Upstream, passing
from tests.fakes import Fake, Said, serving, settings


@pytest.mark.parametrize(
    ("headers", "without", "expected"),
    [
        ([("A", "1"), ("b", "2"), ("A", "3")], (), [("A", "1"), ("b", "2"), ("A", "3")]),
        ([("Host", "x"), ("Transfer-Encoding", "chunked"), ("Upgrade", "h2c"), ("A", "1")], (), [("A", "1")]),
        ([("Connection", "close, X-Hop"), ("connection", "x-b"), ("x-hop", "1"), ("X-B", "2")], (), []),
        ([("Content-Length", "1"), ("A", "1")], ("content-length",), [("A", "1")]),
    ],
)
def test_passing(headers: list[tuple[str, str]], without: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert list(passing(CIMultiDict(headers), *without).items()) == expected


async def test_a_base_path_stands_before_every_path() -> None:
    async with serving(Fake({"": Said(b"ok")})) as engine:
        upstream = Upstream(settings(upstream=f"{engine.url}/base/"))
        async with upstream.open(Request("GET", "/a%2Fb?x=%20", {})) as answer:
            assert await answer.read() == b"ok"
        await upstream.close()
    assert engine.seen[0].target == "/base/a%2Fb?x=%20"


async def test_no_answer_is_an_upstream_error() -> None:
    upstream = Upstream(settings())
    with pytest.raises(UpstreamError, match="cannot be reached"):
        async with upstream.open(Request("GET", "/", {}, again=True)):
            pass
    await upstream.close()


async def test_an_answer_that_was_not_read_to_its_end_frees_its_connection() -> None:
    async with serving(Fake({"": Said(b"x" * 1_000_000)})) as engine:
        upstream = Upstream(settings(engine))
        for _ in range(3):
            async with upstream.open(Request("GET", "/", {})) as answer:
                await answer.content.readany()
        await upstream.close()
    assert len(engine.seen) == 3


def test_an_authority_that_cannot_be_read_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Upstream(Settings(upstream="https://engine", upstream_ca=tmp_path / "ca.pem"))
