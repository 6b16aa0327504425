from __future__ import annotations

import pytest
from multidict import CIMultiDict

from es_rerank.compat.dialects import DIALECTS, Dialect, plain_media_types, vendor_media_type

JSON = "application/vnd.elasticsearch+json;compatible-with=8"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("application/vnd.elasticsearch+json; compatible-with=8", "application/json"),
        ("application/vnd.elasticsearch+json;compatible-with=9", "application/json"),
        ("application/vnd.elasticsearch+x-ndjson; compatible-with=8", "application/x-ndjson"),
        ("application/vnd.elasticsearch+json; compatible-with=8,text/plain", "application/json,text/plain"),
        ("Application/Vnd.Elasticsearch+JSON", "application/JSON"),
        ('application/vnd.elasticsearch+cbor; compatible-with = "8"', "application/cbor"),
        ("application/json; charset=UTF-8", "application/json; charset=UTF-8"),
        ("text/plain", "text/plain"),
    ],
)
def test_plain_media_types(value: str, expected: str) -> None:
    assert plain_media_types(value) == expected


@pytest.mark.parametrize(
    ("accept", "content_type", "expected"),
    [
        (JSON, "application/json; charset=UTF-8", JSON),
        (JSON, "application/json", JSON),
        ("application/vnd.elasticsearch+json; compatible-with=9,text/plain", "application/json", JSON[:-1] + "9"),
        (JSON, "text/plain; charset=UTF-8", "text/plain; charset=UTF-8"),
        (JSON, "application/yaml", "application/yaml"),
        (JSON.replace("json", "JSON"), "application/json", JSON),
        (JSON, "application/JSON", JSON.replace("json", "JSON")),
        ("application/json", "application/json", "application/json"),
        ("application/vnd.elasticsearch+json", "application/json", "application/json"),
        ("", "application/json", "application/json"),
    ],
)
def test_vendor_media_type(accept: str, content_type: str, expected: str) -> None:
    assert vendor_media_type(accept, content_type) == expected


def test_the_emulated_versions() -> None:
    assert {
        "engine": None,
        "elasticsearch-8": Dialect("8.19.0"),
        "elasticsearch-9": Dialect("9.2.0"),
    } == DIALECTS


def test_a_request_gets_plain_media_types_in_the_headers_that_hold_media_types() -> None:
    headers = CIMultiDict([("Accept", JSON), ("A", JSON), ("content-type", JSON), ("A", "2")])
    plain = [("Accept", "application/json"), ("A", JSON), ("content-type", "application/json"), ("A", "2")]
    assert list(Dialect("8.19.0").request_headers(headers).items()) == plain


def test_a_response_gets_a_vendor_media_type_and_names_the_product_once() -> None:
    dialect = Dialect("8.19.0")
    content_type = ("Content-Type", "application/json")
    assert list(dialect.response_headers(JSON, CIMultiDict([content_type])).items()) == [
        ("Content-Type", JSON),
        ("X-Elastic-Product", "Elasticsearch"),
    ]
    product = ("x-elastic-product", "Elasticsearch of another make")
    assert list(dialect.response_headers(JSON, CIMultiDict([product])).items()) == [product]
    assert list(dialect.response_headers("", CIMultiDict([product, content_type])).items()) == [product, content_type]


def test_the_engines_own_headers_are_not_changed() -> None:
    headers = CIMultiDict({"Content-Type": "application/json"})
    Dialect("8.19.0").response_headers(JSON, headers)
    assert headers == CIMultiDict({"Content-Type": "application/json"})
