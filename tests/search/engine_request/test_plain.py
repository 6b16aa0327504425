"""Every way out that uses these requests is in tests/server/test_named_rerankers.py."""

from __future__ import annotations

import pytest

from es_rerank.model import Search
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.engine_request.plain import plain_request, plain_template
from es_rerank.search.formats.endpoints import Endpoint, EndpointRequest
from tests.search.builders import a_search

HOSE = b'{"match":{"title":"hose"}}'
NAMED = b'{"size":0,"n":1.50,"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":%b}},%b}}}'
WORKS = NAMED % (HOSE, b'"inference_text":"hose"')
UNKNOWN = NAMED % (HOSE, b'"inference_text":"hose","unknown":1')
PLAIN = b'{"size":0,"n":1.50,"query":%b}' % HOSE
SOURCE = "source=%7B%7D&source_content_type=application/json"


def request(endpoint: Endpoint, query_string: str = "pretty") -> EndpointRequest:
    return EndpointRequest("docs", query_string, {}, endpoint, f"/docs/{endpoint}")


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (Endpoint.SEARCH, WORKS, PLAIN),
        (Endpoint.SEARCH, WORKS.replace(b"rerank", b"re\\u0072ank"), PLAIN),
        (Endpoint.ASYNC_SEARCH, WORKS, PLAIN),
        (
            Endpoint.MULTI_SEARCH,
            b'{"routing":"a"}\n%b\n\n%b\n{}\n%b\n' % (UNKNOWN, WORKS, HOSE),
            b'{"routing":"a"}\n%b\n{}\n%b\n{}\n%b\n' % (UNKNOWN, PLAIN, HOSE),
        ),
        (
            Endpoint.RANK_EVAL,
            b'{"requests":[{"request":%b},{"request":{}}],"metric":{"precision":{}}}' % WORKS,
            b'{"requests":[{"request":%b},{"request":{}}],"metric":{"precision":{}}}' % PLAIN,
        ),
        (Endpoint.SEARCH, UNKNOWN, None),
        (Endpoint.SEARCH, PLAIN, None),
        (Endpoint.SEARCH, b'{"query":{"match":{"title":"rerank"}}}', None),
        (Endpoint.SEARCH, WORKS[:-1], None),
        (Endpoint.MULTI_SEARCH, b"{}\n%b" % WORKS, None),
        (Endpoint.SEARCH_TEMPLATE, WORKS, None),
        (Endpoint.ASYNC_SEARCH_ID, WORKS, None),
        (Endpoint.SEARCH, b"", None),
    ],
)
def test_rerankers_that_es_rerank_replaces_are_removed(endpoint: Endpoint, body: bytes, expected: bytes | None) -> None:
    found = plain_request(request(endpoint), body)
    assert found == (expected and EngineRequest(f"/docs/{endpoint}", "pretty", expected))


def test_a_body_in_the_url_becomes_a_body() -> None:
    quoted = "source=" + WORKS.decode().replace('"', "%22") + "&source_content_type=application/json&pretty"
    assert plain_request(request(Endpoint.SEARCH, quoted), b"") == EngineRequest("/docs/_search", "pretty", PLAIN)


def test_a_rendered_template_is_sent_again_only_without_its_reranker() -> None:
    carrier = request(Endpoint.SEARCH_TEMPLATE, f"pretty&{SOURCE}")
    found = a_search(PLAIN)
    assert plain_template(carrier, found) is None
    sent = plain_template(carrier, Search("docs", {}, found.body, None, without_reranker=True))
    assert sent is not None
    assert (sent.path, sent.query_string) == ("/docs/_search/template", "pretty")
    assert b'"params":{"search":"{\\"size\\":0,' in sent.body
