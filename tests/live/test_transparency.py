"""The same request to the engine and through an endpoint without a model: the same response."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from es_rerank_lab.parts.engines import Engine

from .books import DOCUMENTS, INDEX, MAPPINGS
from .conftest import Serve
from .endpoint import IDENTITY, Endpoint
from .requests import BESIDE, FILTERED, PLAIN, PLANNED, RIVER, UNICODE, Case, post
from .wire import Answer, ask, ask_chunked, fill

WINDOW = ("--window", "5")
KEEP = ("--policy", "keep")


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Engine:
    """An engine with the books, and a few names that need escapes."""
    fill(engine.url, INDEX, MAPPINGS, DOCUMENTS)
    fill(engine.url, UNICODE, MAPPINGS, dict(list(DOCUMENTS.items())[:4]))
    put = {"method": "PUT", "body": DOCUMENTS["b2"]}
    for target in (
        f"/{INDEX}/_doc/{quote('a/b c+ü', safe='')}?refresh=true",
        "/%3Clog-%7B2024.05.06%7C%7C%2Fd%7Byyyy.MM.dd%7D%7D%3E/_doc/1?refresh=true",
    ):
        assert ask(engine.url, target=target, **put).status == 201, target
    alias = {"actions": [{"add": {"index": INDEX, "alias": "library"}}]}
    assert ask(engine.url, "POST", "/_aliases", alias).status == 200
    return engine


@pytest.fixture
def both(filled: Engine, serve: Serve) -> Iterator[tuple[str, Endpoint]]:
    """The engine's URL, and an endpoint that keeps order and scores."""
    return filled.url, serve(filled.url, *IDENTITY, *WINDOW, *KEEP)


def took(body: bytes) -> bytes:
    return re.sub(rb'("?took"? ?: ?)\d+', rb"\g<1>0", body)


def headers(answer: Answer, *without: str) -> list[tuple[str, str]]:
    """List headers in their order, with lower-case names."""
    left_out = {"content-length", "x-rerank", "server-timing", *without}
    return [(name.lower(), value) for name, value in answer.headers if name.lower() not in left_out]


def send(base: str, case: Case) -> Answer:
    return ask(base, case.method, case.target, case.body, case.headers)


@pytest.mark.parametrize("case", PLANNED, ids=lambda case: case.name)
def test_a_planned_search_keeps_every_byte_but_took(case: Case, both: tuple[str, Endpoint]) -> None:
    direct, through = send(both[0], case), send(both[1].url, case)
    assert took(through.body) == took(direct.body)
    chunked = "transfer-encoding"
    assert (through.status, headers(through, chunked)) == (direct.status, headers(direct, chunked))
    assert int(through.header("Content-Length")) == len(through.body)
    assert through.outcome.split("; ")[0] in {"reranked", "skipped"}
    assert through.outcome.partition("why=")[2] in {"", "beyond_window", "few_hits"}


@pytest.mark.parametrize("case", [*BESIDE, *FILTERED], ids=lambda case: case.name)
def test_the_clients_view_of_a_hit_keeps_every_byte(case: Case, both: tuple[str, Endpoint]) -> None:
    direct, through = send(both[0], case), send(both[1].url, case)
    assert took(through.body) == took(direct.body)
    chunked = "transfer-encoding"
    assert (through.status, headers(through, chunked)) == (200, headers(direct, chunked))
    shows_hits = case not in FILTERED or b'"hits":[' in through.body.replace(b" ", b"")
    assert through.outcome.startswith("reranked" if shows_hits else "skipped; why=filter_path")


@pytest.mark.parametrize("case", [*PLANNED, *BESIDE], ids=lambda case: case.name)
def test_a_reranked_search_differs_only_in_its_scores(case: Case, filled: Engine, serve: Serve) -> None:
    direct, through = send(filled.url, case), send(serve(filled.url, *IDENTITY, *WINDOW).url, case)
    assert through.status == direct.status
    assert unscored(through.json) == unscored(direct.json)


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_any_other_request_gets_the_engines_own_response(case: Case, both: tuple[str, Endpoint]) -> None:
    direct, through = send(both[0], case), send(both[1].url, case)
    assert took(through.body) == took(direct.body)
    coded = ["transfer-encoding"] if case.method == "HEAD" else []  # of a body that is never sent
    assert (through.status, headers(through, *coded)) == (direct.status, headers(direct, *coded))
    if len(through.body) == len(direct.body):  # the lengths of `took` may differ
        assert through.header("Content-Length") == direct.header("Content-Length")
    assert not through.outcome.startswith("reranked")


@pytest.mark.parametrize("case", PLANNED[:8], ids=lambda case: case.name)
def test_shadow_mode_returns_the_engines_response(case: Case, filled: Engine, serve: Serve, shadowing: Path) -> None:
    direct, through = send(filled.url, case), send(serve(filled.url, *IDENTITY, "--mappings", str(shadowing)).url, case)
    assert took(through.body) == took(direct.body)
    assert (through.outcome, headers(through)) == ("shadow", headers(direct))


@pytest.fixture(scope="session")
def shadowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a rule in shadow mode."""
    folder = tmp_path_factory.mktemp("shadowing")
    (folder / "all.yaml").write_text('index: "*"\nmode: shadow\n')
    return folder


def unscored(value: Any) -> Any:
    """Return a response without scores and `took`."""
    answer = dict(value, took=0)
    hits = dict(answer["hits"])
    hits.pop("max_score", None)
    hits["hits"] = [
        {name: inner for name, inner in hit.items() if name != "_score"} | {"sort": hit.get("sort", [None])[1:]}
        for hit in hits["hits"]
    ]
    return answer | {"hits": hits}


@pytest.mark.parametrize("more", ["", "pretty"])
def test_an_explanation_has_the_engines_tree_below_the_endpoints_node(more: str, filled: Engine, serve: Serve) -> None:
    case = post("explain", {"query": RIVER, "explain": True, "size": 3, "_source": ["title"]}, more)
    answer = send(serve(filled.url, *IDENTITY, *WINDOW).url, case)
    if more:
        assert answer.body.decode() == indented(answer.json)
    direct, through = send(filled.url, case).hits, answer.hits
    assert [hit["_explanation"]["details"] for hit in through] == [[hit["_explanation"]] for hit in direct]
    assert [hit["_explanation"]["value"] for hit in through] == [hit["_score"] for hit in through]


def indented(value: Any) -> str:
    """Write JSON as the engines do with `?pretty`."""
    text = json.dumps(value, indent=2, separators=(",", " : "), ensure_ascii=False)
    return re.sub(r"\[\]", "[ ]", re.sub(r"\{\}", "{ }", text)) + "\n"


def test_the_model_reads_hits_with_script_fields_and_no_source(opensearch: Engine, serve: Serve) -> None:
    fill(opensearch.url, "scripted", MAPPINGS, DOCUMENTS)
    script = {"twice": {"script": {"source": "doc['year'].value * 2"}}}
    body = {"query": RIVER, "script_fields": script}
    through = serve(opensearch.url, *IDENTITY, *WINDOW, *KEEP).search("scripted", body)
    assert through.outcome.startswith("reranked; window=5")
    assert through.hits == ask(opensearch.url, "POST", "/scripted/_search", body).hits


def test_a_scroll_is_the_same_through_the_endpoint(both: tuple[str, Endpoint]) -> None:
    def walk(base: str) -> list[list[str]]:
        pages = [ask(base, "POST", f"/{INDEX}/_search?scroll=1m", {"query": RIVER, "size": 4})]
        while pages[-1].hits:
            cursor = {"scroll": "1m", "scroll_id": pages[-1].json["_scroll_id"]}
            pages.append(ask(base, "POST", "/_search/scroll", cursor))
        ended = ask(base, "DELETE", "/_search/scroll", {"scroll_id": pages[-1].json["_scroll_id"]})
        assert ended.json["succeeded"] is True
        return [page.ids for page in pages]

    assert walk(both[1].url) == walk(both[0])


@pytest.mark.parametrize("target", [f"/{INDEX}/_search", f"/{INDEX}/_validate/query"])
def test_gzip_works_in_both_directions(target: str, both: tuple[str, Endpoint]) -> None:
    body = gzip.compress(json.dumps({"query": RIVER}).encode())
    sent = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    direct, through = (ask(base, "POST", target, body, sent) for base in (both[0], both[1].url))
    assert headers(through, "transfer-encoding") == headers(direct, "transfer-encoding")
    assert took(gzip.decompress(through.body)) == took(gzip.decompress(direct.body))


def test_a_chunked_request_body_is_streamed(both: tuple[str, Endpoint]) -> None:
    line = json.dumps({"title": "x" * 1000}).encode()
    lines = (b'{"index":{"_index":"streamed"}}\n' + line + b"\n" for _ in range(5000))
    answer = ask_chunked(both[1].url, "/_bulk?filter_path=errors", lines)
    assert (answer.status, answer.json) == (200, {"errors": False})
    assert ask(both[0], "GET", "/streamed/_count").status == 200
    ask(both[0], "POST", "/streamed/_refresh")
    assert ask(both[1].url, "GET", "/streamed/_count").json["count"] == 5000
    assert ask(both[1].url, "DELETE", "/streamed").json == {"acknowledged": True}
