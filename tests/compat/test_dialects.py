from __future__ import annotations

import pytest
from multidict import CIMultiDict

from es_rerank.compat.dialects import DIALECTS, plain_media_types, vendor_media_type

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
def test_plain(value: str, expected: str) -> None:
    assert plain_media_types(value) == expected


@pytest.mark.parametrize(
    ("accepted", "said", "expected"),
    [
        (JSON, "application/json; charset=UTF-8", JSON),
        (JSON, "application/json", JSON),
        ("application/vnd.elasticsearch+json; compatible-with=9,text/plain", "application/json", JSON[:-1] + "9"),
        (JSON, "text/plain; charset=UTF-8", "text/plain; charset=UTF-8"),
        (JSON, "application/yaml", "application/yaml"),
        ("application/json", "application/json", "application/json"),
        ("application/vnd.elasticsearch+json", "application/json", "application/json"),
        ("", "application/json", "application/json"),
    ],
)
def test_vendor(accepted: str, said: str, expected: str) -> None:
    assert vendor_media_type(accepted, said) == expected


@pytest.mark.parametrize("name", ["elasticsearch-8", "elasticsearch-9"])
def test_a_dialect_changes_media_types_and_names_the_product_once(name: str) -> None:
    dialect = DIALECTS[name]
    assert dialect
    came = CIMultiDict([("Accept", JSON), ("A", JSON), ("content-type", JSON), ("A", "2")])
    asked = [("Accept", "application/json"), ("A", JSON), ("content-type", "application/json"), ("A", "2")]
    assert list(dialect.request_headers(came).items()) == asked
    for headers in ({}, {"x-elastic-product": "Elasticsearch"}):
        said = dialect.response_headers(JSON, CIMultiDict({**headers, "Content-Type": "application/json"}))
        assert said.getall("X-Elastic-Product") == ["Elasticsearch"]
        assert said["Content-Type"] == JSON
    assert dialect.version.startswith(name.removeprefix("elasticsearch-") + ".")
