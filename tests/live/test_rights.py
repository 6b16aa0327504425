"""Two users with different privileges on one index send the same search: each gets the hits that the engine returns.

Elasticsearch with document and field level security, on a trial license; users and roles are in files.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from es_rerank.testing import FakeServer, score_response, serve_fake
from es_rerank_lab.parts.engines import Engine, EngineOptions, start_engine

from .conftest import Serve
from .endpoint import Endpoint
from .watch import watch

INDEX = "shared"
# A trial license enables document level security; the second setting makes changes of the role file effective at once.
SETTINGS = {"xpack.license.self_generated.type": "trial", "resource.reload.interval.high": "1s"}
LIMIT_S = 60.0
ROLES: Mapping[str, str] = {
    "ann": """
  indices:
    - names: ['shared*']
      privileges: ['read']
      query: '{"term": {"team": "a"}}'
""",
    "bob": """
  indices:
    - names: ['shared*']
      privileges: ['read']
      query: '{"term": {"team": "b"}}'
      field_security:
        grant: ['*']
        except: ['hidden']
""",
    "eve": """
  indices:
    - names: ['elsewhere']
      privileges: ['read']
""",
}
MAPPINGS = {
    "properties": {
        "body": {"type": "text"},
        "hidden": {"type": "text"},
        "team": {"type": "keyword"},
        "year": {"type": "integer"},
    }
}
# Some documents are of both teams, and some texts are equal: cached scores of one user must reveal nothing to another.
DOCUMENTS = [
    {
        "body": f"A leaking hose, part {at % 7}, under the bench.",
        "hidden": f"hose of nobody's business, number {at}",
        "team": ["a", "b"] if at % 3 == 2 else "ab"[at % 3],
        "year": 2000 + at % 5,
    }
    for at in range(30)
]
MODEL = {f"part {at}": float(-abs(at - 4)) for at in range(7)}
HOSE = {"match": {"body": "leaking hose"}}
SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "plain": {"query": HOSE, "size": 50},
    "page": {"query": HOSE, "from": 3, "size": 4},
    "everything": {"query": {"match_all": {}}, "size": 50},
    "some fields": {"query": HOSE, "size": 50, "_source": ["year"], "fields": ["hidden", "team"]},
    "hidden words": {"query": {"multi_match": {"query": "leaking hose", "fields": ["body", "hidden"]}}, "size": 50},
    "only hidden words": {"query": {"match": {"hidden": "hose"}}, "size": 50},
    "highlighted": {"query": HOSE, "size": 5, "highlight": {"fields": {"*": {}}}},
    "counted": {
        "query": HOSE,
        "size": 3,
        "track_total_hits": True,
        "aggs": {"years": {"terms": {"field": "year"}}, "teams": {"terms": {"field": "team"}}},
    },
}


def password(name: str) -> str:
    return f"password-of-{name}"


def hashed(words: str) -> str:
    """Hash a password in the format of the engine's files (PBKDF2 with SHA-512)."""
    salt = os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha512", words.encode(), salt, 10_000, 32)
    return f"{{PBKDF2}}10000${b64encode(salt).decode()}${b64encode(digest).decode()}"


@dataclass(frozen=True)
class Place:
    """A URL and the credentials of a caller."""

    session: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str]

    async def ask(self, target: str, body: Any = None, method: str = "POST") -> tuple[int, Mapping[str, str], Any]:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = "application/x-ndjson" if "_msearch" in target or "_bulk" in target else "application/json"
        headers = {**self.headers, "Content-Type": kind}
        async with self.session.request(method, self.url + target, data=data, headers=headers) as answer:
            return answer.status, dict(answer.headers), json.loads(await answer.read())


def login(name: str, words: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{words}".encode()).decode()}


def callers(engine: Engine) -> dict[str, dict[str, str]]:
    """Return the callers: the users, and the superuser with `run as` one of them."""
    users = {name: login(name, password(name)) for name in ROLES}
    root = login(engine.username or "", engine.password or "")
    return {**users, "root": root, "root as bob": {**root, "es-security-runas-user": "bob"}}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Engine]:
    with start_engine("elasticsearch", security=True, options=EngineOptions(settings=SETTINGS)) as engine:
        watch("elasticsearch with rights", engine.process)
        config = engine.run.path / "config"
        (config / "users").write_text("".join(f"{name}:{hashed(password(name))}\n" for name in ROLES))
        (config / "users_roles").write_text("".join(f"role-{name}:{name}\n" for name in ROLES))
        (config / "roles.yml").write_text("".join(f"role-{name}:{text}" for name, text in ROLES.items()))
        yield engine


@pytest.fixture
async def session(guarded: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    """A client session; the engine has the documents and has loaded its users."""
    trusted = ssl.create_default_context(cafile=str(guarded.ca))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as found:
        root = Place(found, guarded.url, callers(guarded)["root"])
        if (await root.ask(f"/{INDEX}/_count", method="GET"))[0] == 404:
            await filled(root)
        await known(found, guarded)
        yield found


async def filled(root: Place) -> None:
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    await root.ask(f"/{INDEX}", {"settings": settings, "mappings": MAPPINGS}, "PUT")
    lines = [
        json.dumps(part) for at, document in enumerate(DOCUMENTS) for part in ({"index": {"_id": str(at)}}, document)
    ]
    status, _, bulk = await root.ask(f"/{INDEX}/_bulk?refresh=true", ("\n".join(lines) + "\n").encode())
    assert (status, bulk["errors"]) == (200, False)


async def known(session: aiohttp.ClientSession, engine: Engine) -> None:
    limit = time.monotonic() + LIMIT_S
    for name in ROLES:
        place = Place(session, engine.url, callers(engine)[name])
        while (await place.ask("/_security/_authenticate", method="GET"))[0] != 200:
            assert time.monotonic() < limit, f"the engine does not know {name}"
            await asyncio.sleep(0.2)


@pytest.fixture
async def reranker() -> AsyncIterator[FakeServer]:
    async with serve_fake(FakeServer({"": score_response(MODEL)})) as found:
        yield found


async def through(serve: Serve, guarded: Engine, reranker: FakeServer) -> Endpoint:
    flags = ("--upstream-ca", str(guarded.ca), "--reranker", reranker.url, "--profile", "bge-reranker")
    more = ("--tokenizer", "estimate", "--no-self-test", "--deadline", "30s")
    return await asyncio.to_thread(serve, guarded.url, *flags, *more)


def seen(answer: tuple[int, Mapping[str, str], Any]) -> Any:
    """Everything in a response but the order: hits, total, aggregations; or the error."""
    status, _, body = answer
    if status != 200:
        return status, body
    hits = {hit["_id"]: {name: hit[name] for name in hit if name != "_score"} for hit in body["hits"]["hits"]}
    return status, hits, body["hits"]["total"], body.get("aggregations")


def order(answer: tuple[int, Mapping[str, str], Any]) -> list[str]:
    return [hit["_id"] for hit in answer[2]["hits"]["hits"]]


def all_hits(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch all hits of a search in the engine's order."""
    return {**body, "from": 0, "size": 50}


def best(answer: tuple[int, Mapping[str, str], Any]) -> list[str]:
    """Sort all hits of an engine's response in the model's order."""

    def score(hit: Mapping[str, Any]) -> float:
        text = DOCUMENTS[int(hit["_id"])]["body"]
        return next(value for key, value in MODEL.items() if key in str(text))

    return [hit["_id"] for hit in sorted(answer[2]["hits"]["hits"], key=score, reverse=True)]


async def test_each_user_gets_the_hits_that_the_engine_returns(
    guarded: Engine, serve: Serve, session: aiohttp.ClientSession, reranker: FakeServer
) -> None:
    """One after another, then all at the same time, repeatedly: caches of one caller do not affect another."""
    proxy = await through(serve, guarded, reranker)
    direct: dict[tuple[str, str], Any] = {}
    for who, headers in callers(guarded).items():
        for name, body in SEARCHES.items():
            direct[who, name] = await Place(session, guarded.url, headers).ask(f"/{INDEX}/_search", all_hits(body))
    counts = {who: len(order(direct[who, "plain"])) for who in ("ann", "bob", "root", "root as bob")}
    assert counts == {"ann": 20, "bob": 20, "root": 30, "root as bob": 20}
    assert order(direct["ann", "plain"]) != order(direct["bob", "plain"])
    assert direct["eve", "plain"][0] == 403

    async def check(who: str, name: str, url: str) -> None:
        got = await Place(session, url, callers(guarded)[who]).ask(f"/{INDEX}/_search", SEARCHES[name])
        expected = await Place(session, guarded.url, callers(guarded)[who]).ask(f"/{INDEX}/_search", SEARCHES[name])
        if name not in {"page", "highlighted", "counted"}:
            assert seen(got) == seen(expected), (who, name)
        elif got[0] == 200:
            start, size = SEARCHES[name].get("from", 0), SEARCHES[name]["size"]
            assert order(got) == best(direct[who, name])[start : start + size], (who, name)
            assert seen(got)[2:] == seen(expected)[2:], (who, name)
        assert got[0] == expected[0], (who, name)

    every = [
        (who, name, url) for who in callers(guarded) for name in SEARCHES for url in (proxy.url, proxy.admin_listen)
    ]
    for one in every:
        await check(*one)
    for _ in range(2):
        await asyncio.gather(*(check(*one) for one in every))


async def test_the_order_is_the_models_and_scores_come_from_the_cache(
    guarded: Engine, serve: Serve, session: aiohttp.ClientSession, reranker: FakeServer
) -> None:
    proxy = await through(serve, guarded, reranker)
    body = {"query": {"match": {"body": "leaking hose bench"}}, "size": 50}
    for who, cached in (("ann", False), ("ann", True), ("bob", None), ("root as bob", True)):
        plain = await Place(session, guarded.url, callers(guarded)[who]).ask(f"/{INDEX}/_search", body)
        got = await Place(session, proxy.url, callers(guarded)[who]).ask(f"/{INDEX}/_search", body)
        assert order(got) == best(plain)
        assert got[1]["X-Rerank"].startswith("reranked; window=20; cached=")
        if cached is not None:
            assert got[1]["X-Rerank"].startswith(f"reranked; window=20; cached={20 if cached else 0};")


async def test_each_search_of_a_multi_search_has_the_privileges_of_its_caller(
    guarded: Engine, serve: Serve, session: aiohttp.ClientSession, reranker: FakeServer
) -> None:
    proxy = await through(serve, guarded, reranker)
    lines = [part for body in SEARCHES.values() for part in ({"index": INDEX}, {**body, "from": 0, "size": 50})]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    async def responses_of(who: str) -> tuple[Any, Any]:
        places = [Place(session, url, callers(guarded)[who]) for url in (guarded.url, proxy.url)]
        direct, got = await asyncio.gather(*(place.ask("/_msearch", body) for place in places))
        return direct[2]["responses"], got[2]["responses"]

    found = await asyncio.gather(*(responses_of(who) for _ in range(5) for who in callers(guarded)))
    for direct, got in found:
        assert [comparable(one) for one in got] == [comparable(one) for one in direct]


def comparable(one: Mapping[str, Any]) -> Any:
    return seen((one["status"], {}, one))


async def test_the_model_reads_only_fields_that_the_caller_may_read(
    guarded: Engine, serve: Serve, session: aiohttp.ClientSession, reranker: FakeServer
) -> None:
    """By then the fields of the index are cached from the search of another user."""
    proxy = await through(serve, guarded, reranker)

    async def read(who: str, words: str) -> Sequence[str]:
        reranker.seen.clear()
        query = {"multi_match": {"query": words, "fields": ["body", "hidden"]}}
        place = Place(session, proxy.url, callers(guarded)[who])
        await place.ask(f"/{INDEX}/_search", {"query": query, "_source": False})
        return [text for one in reranker.seen for text in one.json["text_2"]]

    assert all("nobody's business" in text for text in await read("root", "hose one"))
    assert any("nobody's business" in text for text in await read("ann", "hose two"))
    for who in ("bob", "root as bob"):
        texts = await read(who, f"hose of {who}")
        assert texts
        assert [text for text in texts if "nobody's business" in text] == []


async def test_an_unauthorized_caller_learns_nothing_from_cached_results(
    guarded: Engine, serve: Serve, session: aiohttp.ClientSession, reranker: FakeServer
) -> None:
    proxy = await through(serve, guarded, reranker)
    root, wrong = callers(guarded)["root"], login("ann", "wrong")
    assert (await Place(session, proxy.url, root).ask(f"/{INDEX}/_search", SEARCHES["plain"]))[0] == 200
    for headers in (wrong, {}, callers(guarded)["eve"]):
        direct, got = [
            await Place(session, url, headers).ask(f"/{INDEX}/_search", SEARCHES["plain"])
            for url in (guarded.url, proxy.url)
        ]
        assert got[0] == direct[0] in {401, 403}
        assert got[2] == direct[2]
        assert got[1]["X-Rerank"] == "skipped; why=mapping"
