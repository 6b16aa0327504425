"""The official clients work through the endpoint as they do with the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import opensearchpy
import pytest
from elasticsearch import (
    AsyncElasticsearch,
    AuthenticationException,
    BadRequestError,
    ConflictError,
    Elasticsearch,
    NotFoundError,
    helpers,
)
from opensearchpy import OpenSearch
from opensearchpy import helpers as opensearch_helpers

from es_rerank_lab.parts.engines import Engine

from .books import DOCUMENTS, MAPPINGS
from .conftest import Serve
from .endpoint import IDENTITY
from .wire import ask

INDEX = "client-books"
SETTINGS = {"number_of_shards": 1, "number_of_replicas": 0}
RIVER = {"match": {"body": "river"}}


def actions() -> Iterator[dict[str, Any]]:
    return ({"_index": INDEX, "_id": name, "_source": document} for name, document in DOCUMENTS.items())


@pytest.fixture
def plain_client(elasticsearch: Engine, serve: Serve) -> Iterator[Any]:
    with Elasticsearch(serve(elasticsearch.url, *IDENTITY).url) as client:
        yield client


@pytest.fixture
def secured_client(secured: Engine, serve: Serve) -> Iterator[Any]:
    through = serve(secured.url, *IDENTITY, "--upstream-ca", str(secured.ca)).url
    with Elasticsearch(through, basic_auth=(secured.username or "", secured.password or "")) as client:
        yield client


@pytest.fixture(params=["plain_client", "secured_client"])
def client(request: pytest.FixtureRequest) -> Any:
    """elasticsearch-py with Elasticsearch: with and without TLS and password between endpoint and engine."""
    return request.getfixturevalue(request.param)


def test_elasticsearch_documents_are_indexed_and_read(client: Any) -> None:
    client.options(ignore_status=404).indices.delete(index=INDEX)
    client.indices.create(index=INDEX, settings=SETTINGS, mappings=MAPPINGS)
    assert helpers.bulk(client, actions(), refresh=True) == (len(DOCUMENTS), [])
    assert client.index(index=INDEX, id="more", document={"title": "a new river"})["result"] == "created"
    assert client.get(index=INDEX, id="more")["_source"] == {"title": "a new river"}
    assert client.update(index=INDEX, id="more", doc={"year": 7})["result"] == "updated"
    assert client.get_source(index=INDEX, id="more") == {"title": "a new river", "year": 7}
    assert client.delete(index=INDEX, id="more", refresh=True)["result"] == "deleted"
    assert not client.exists(index=INDEX, id="more")
    assert client.count(index=INDEX)["count"] == len(DOCUMENTS)


def test_elasticsearch_searches(client: Any) -> None:
    test_elasticsearch_documents_are_indexed_and_read(client)
    page = client.search(index=INDEX, query=RIVER, size=3, source=False)
    assert page.meta.headers["X-Rerank"].startswith("reranked; ")
    assert [set(hit) for hit in page["hits"]["hits"]] == [{"_index", "_id", "_score"}] * 3
    everything = client.search(index=INDEX, query=RIVER, size=100)["hits"]["hits"]
    assert {hit["_id"]: hit["_source"] for hit in everything}.items() <= DOCUMENTS.items()
    walked = [hit["_id"] for hit in helpers.scan(client, index=INDEX, query={"query": RIVER}, size=2)]
    assert sorted(walked) == sorted(hit["_id"] for hit in everything)
    several = client.msearch(searches=[{"index": INDEX}, {"query": RIVER}, {"index": "absent"}, {"query": RIVER}])
    assert several["responses"][0]["hits"]["total"]["value"] == len(everything)
    assert several["responses"][1]["error"]["type"] == "index_not_found_exception"


def test_elasticsearch_errors_are_the_engines(client: Any) -> None:
    with pytest.raises(NotFoundError, match="no such index"):
        client.search(index="absent", query=RIVER)
    with pytest.raises(NotFoundError):
        client.get(index="absent", id="1")
    with pytest.raises(BadRequestError, match=r"unknown query \[matsch\]"):
        client.search(query={"matsch": {"body": "river"}})
    client.index(index="conflict", id="1", document={})
    with pytest.raises(ConflictError):
        client.create(index="conflict", id="1", document={})


async def test_elasticsearch_asynchronous_client(elasticsearch: Engine, serve: Serve) -> None:
    async with AsyncElasticsearch(serve(elasticsearch.url, *IDENTITY).url, http_compress=True) as client:
        await client.index(index="async-books", id="1", document={"title": "a river"}, refresh=True)
        await client.index(index="async-books", id="2", document={"title": "old river"}, refresh=True)
        found = await client.search(index="async-books", query={"match": {"title": "river"}})
        assert found.meta.headers["X-Rerank"].startswith("reranked; window=2")
        assert found["hits"]["total"]["value"] == 2


@pytest.mark.parametrize("password", ["", "wrong"])
def test_wrong_credentials_are_rejected_by_the_engine(secured: Engine, serve: Serve, password: str) -> None:
    through = serve(secured.url, *IDENTITY, "--upstream-ca", str(secured.ca)).url
    access = {"basic_auth": ("elastic", password)} if password else {}
    with Elasticsearch(through, **access) as client:
        with pytest.raises(AuthenticationException, match="security_exception"):
            client.search(index=INDEX, query=RIVER)
        with pytest.raises(AuthenticationException, match="security_exception"):
            client.cluster.health()


def test_an_unknown_certificate_of_the_engine_is_an_error_in_its_format(secured: Engine, serve: Serve) -> None:
    answer = serve(secured.url, *IDENTITY).search(INDEX, {"query": RIVER})
    assert answer.status == 502
    assert "certificate" in answer.json["error"]["reason"].lower()
    unchecked = serve(secured.url, *IDENTITY, "--no-upstream-verify").search(INDEX, {"query": RIVER})
    assert unchecked.status == 401


@pytest.fixture
def opensearch_client(opensearch: Engine, serve: Serve) -> Iterator[Any]:
    with OpenSearch(serve(opensearch.url, *IDENTITY).url) as client:
        yield client


def test_opensearch_documents_are_indexed_and_read(opensearch_client: Any) -> None:
    client = opensearch_client
    assert client.ping()
    assert client.info()["version"]["distribution"] == "opensearch"
    client.indices.delete(index=INDEX, ignore=[404])
    client.indices.create(index=INDEX, body={"settings": SETTINGS, "mappings": MAPPINGS})
    assert opensearch_helpers.bulk(client, actions(), refresh=True) == (len(DOCUMENTS), [])
    assert client.index(index=INDEX, id="more", body={"title": "a new river"})["result"] == "created"
    assert client.get(index=INDEX, id="more")["_source"] == {"title": "a new river"}
    assert client.update(index=INDEX, id="more", body={"doc": {"year": 7}})["result"] == "updated"
    assert client.delete(index=INDEX, id="more", refresh=True)["result"] == "deleted"
    assert not client.exists(index=INDEX, id="more")
    assert client.count(index=INDEX)["count"] == len(DOCUMENTS)


def test_opensearch_searches(opensearch_client: Any) -> None:
    client = opensearch_client
    test_opensearch_documents_are_indexed_and_read(client)
    everything = client.search(index=INDEX, body={"query": RIVER, "size": 100})["hits"]["hits"]
    assert {hit["_id"]: hit["_source"] for hit in everything}.items() <= DOCUMENTS.items()
    found = opensearch_helpers.scan(client, index=INDEX, query={"query": RIVER}, size=2)
    assert sorted(hit["_id"] for hit in found) == sorted(hit["_id"] for hit in everything)
    several = client.msearch(body=[{"index": INDEX}, {"query": RIVER}, {"index": "absent"}, {"query": RIVER}])
    assert several["responses"][0]["hits"]["total"]["value"] == len(everything)
    assert several["responses"][1]["error"]["type"] == "index_not_found_exception"


def test_opensearch_errors_are_the_engines(opensearch_client: Any) -> None:
    with pytest.raises(opensearchpy.NotFoundError, match="no such index"):
        opensearch_client.search(index="absent", body={"query": RIVER})
    with pytest.raises(opensearchpy.RequestError, match=r"unknown query \[matsch\]"):
        opensearch_client.search(body={"query": {"matsch": {"body": "river"}}})


def test_a_search_template_is_rendered_by_the_engine(opensearch: Engine, serve: Serve) -> None:
    through = serve(opensearch.url, *IDENTITY).url
    body = {"source": {"query": {"match": {"body": "{{words}}"}}}, "params": {"words": "river"}}
    direct, answer = (ask(base, "POST", "/_search/template", body) for base in (opensearch.url, through))
    assert (answer.status, answer.ids) == (direct.status, direct.ids)
