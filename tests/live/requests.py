"""Requests that are sent to the engine and through the endpoint, to compare the responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .books import INDEX
from .wire import NDJSON

UNICODE = "bücher-索引"
RIVER = {"match": {"body": "river mill"}}
TITLE = {"match": {"title": "river"}}
NESTED = {"nested": {"path": "comments", "query": {"match": {"comments.said": "river"}}, "inner_hits": {}}}
FUNCTION = {"function_score": {"query": RIVER, "field_value_factor": {"field": "year"}, "boost_mode": "sum"}}
MARKED = {"fields": {"body": {}}}
RESCORE = {"window_size": 4, "query": {"rescore_query": TITLE, "rescore_query_weight": 3}}


@dataclass(frozen=True)
class Case:
    """One request."""

    name: str
    target: str
    body: object = None
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)


def post(name: str, body: Mapping[str, Any], parameters: str = "") -> Case:
    return Case(name, f"/{INDEX}/_search" + (f"?{parameters}" if parameters else ""), body)


def get(name: str, target: str, **more: Any) -> Case:
    return Case(name, target, method="GET", **more)


SOURCE = quote(json.dumps({"query": RIVER, "size": 3}))
PLANNED = [
    post("match", {"query": RIVER}),
    get("get_body", f"/{INDEX}/_search", body={"query": RIVER}),
    get("get_q", f"/{INDEX}/_search?q=title:river"),
    get("get_q_everywhere", "/_search?q=river&df=title"),
    get("get_source", f"/{INDEX}/_search?source={SOURCE}&source_content_type=application/json"),
    get("get_all", "/_all/_search?q=body:river"),
    get("get_pattern", "/boo*,-stones*/_search?q=body:river"),
    get("get_alias", "/library/_search?q=body:river"),
    post("page_inside", {"query": RIVER, "from": 1, "size": 3}),
    post("page_straddling", {"query": RIVER, "from": 3, "size": 5}),
    post("page_beyond", {"query": RIVER, "from": 6, "size": 4}),
    post("page_past_the_end", {"query": RIVER, "from": 500, "size": 4}),
    post("size_over_window", {"query": RIVER, "size": 100}),
    post("size_in_url", {"query": RIVER, "size": 100}, "size=2&from=1"),
    post("pretty", {"query": RIVER}, "pretty"),
    post("pretty_two_hits", {"query": RIVER, "size": 2}, "pretty=true"),
    post("pretty_one_hit", {"query": RIVER, "size": 1}, "pretty=true"),
    post("human_and_totals", {"query": RIVER}, "human&rest_total_hits_as_int=true"),
    post("typed_keys", {"query": RIVER, "aggs": {"a": {"terms": {"field": "tag"}}}}, "typed_keys=true"),
    post("highlight", {"query": RIVER, "highlight": {"fields": {"body": {}, "title": {}}}}),
    post("aggs", {"query": RIVER, "aggs": {"t": {"terms": {"field": "tag"}}, "y": {"avg": {"field": "price"}}}}),
    post("fields_format", {"query": RIVER, "fields": [{"field": "when", "format": "yyyy"}]}),
    post("collapse", {"query": RIVER, "collapse": {"field": "tag", "inner_hits": {"name": "more", "size": 2}}}),
    post("nested", {"query": NESTED}),
    post("nested_page", {"query": {"bool": {"should": [NESTED, RIVER]}}, "size": 2}),
    post("min_score", {"query": RIVER, "min_score": 0.3}),
    post("rescore", {"query": RIVER, "rescore": RESCORE}),
    post("post_filter", {"query": RIVER, "post_filter": {"term": {"tag": "mill"}}}),
    post("suggest", {"query": RIVER, "suggest": {"s": {"text": "rivver", "term": {"field": "body"}}}}),
    post("function_score", {"query": FUNCTION}),
    post(
        "query_string", {"query": {"query_string": {"query": "title:(river AND -stones) mill^2", "fields": ["body"]}}}
    ),
    post("multi_match", {"query": {"multi_match": {"query": "river mill", "fields": ["title^3", "body"]}}}),
    post(
        "bool",
        {"query": {"bool": {"must": [TITLE], "filter": [{"range": {"year": {"gte": 1905}}}], "should": [RIVER]}}},
    ),
    post("sort_score", {"query": RIVER, "sort": ["_score"]}),
    post("sort_score_then_year", {"query": RIVER, "sort": [{"_score": "desc"}, {"year": "asc"}]}),
    post("track_scores", {"query": RIVER, "sort": "_score", "track_scores": True}),
    post("totals_off", {"query": RIVER, "track_total_hits": False}),
    post("totals_on", {"query": RIVER, "track_total_hits": True}),
    post("version_and_seq_no", {"query": RIVER, "version": True, "seq_no_primary_term": True}),
    post("named_queries", {"query": {"match": {"body": {"query": "river", "_name": "first"}}}}),
    post("no_hits", {"query": {"match": {"body": "zeppelin"}}}),
    post("one_hit", {"query": {"match": {"title": "stones"}}}),
    post("unicode_query", {"query": {"match": {"title": "河流 نهر Fluss"}}}),
    get("unicode_index", f"/{quote(UNICODE)}/_search?q=title:river"),
    get("unicode_q", f"/{INDEX}/_search?q=title:{quote('河流')}"),
    get("absent_index_ignored", f"/{INDEX},absent/_search?q=body:river&ignore_unavailable=true"),
]
# The passages are requested in addition to the client's view of a hit. An engine that filters a source writes its
# members in another order, since it builds a map instead of copying the stored bytes.
BESIDE = [
    post("no_source", {"query": RIVER, "_source": False}),
    post("no_source_in_url", {"query": RIVER}, "_source=false"),
    post("source_includes", {"query": RIVER, "_source": ["title", "shelf.*"]}),
    post("source_excludes", {"query": RIVER, "_source": {"excludes": ["body", "comments"]}}),
    post("source_in_url", {"query": RIVER}, "_source_includes=year&_source_excludes=title"),
    post("fields", {"query": RIVER, "_source": False, "fields": ["title", "year", "shelf.room"]}),
    post("fields_all", {"query": RIVER, "_source": False, "fields": ["*"]}),
    post("docvalue_fields", {"query": RIVER, "_source": False, "docvalue_fields": ["year", "tag"]}),
    post("stored_fields", {"query": RIVER, "stored_fields": ["title"]}),
    post("stored_fields_empty", {"query": RIVER, "stored_fields": []}),
    post("stored_fields_none", {"query": RIVER, "stored_fields": "_none_"}),
    post("stored_fields_none_in_url", {"query": RIVER, "version": True}, "stored_fields=_none_"),
    post("stored_fields_none_docvalues", {"query": RIVER, "stored_fields": ["_none_"], "docvalue_fields": ["year"]}),
]
# The engines serialize a source again when they apply `filter_path`.
FILTERED = [
    post(f"filter_path_{at}", {"query": RIVER, "size": 5, **more}, f"filter_path={path}")
    for at, (path, more) in enumerate(
        [
            ("hits.hits._id,hits.total", {}),
            ("hits.hits._source", {"_source": ["title"]}),
            ("took,hits.hits._source.title", {}),
            ("hits.hits._s*", {}),
            ("**._id", {}),
            ("**.title", {}),
            ("hits.max_score,hits.total.value", {}),
            ("hits.hits", {"_source": False}),
            ("hits.hits.highlight", {"highlight": {"fields": {"body": {}}}, "size": 3}),
            ("aggregations.*.buckets.key,_shards.*", {"aggs": {"t": {"terms": {"field": "tag"}}}}),
            ("nothing", {}),
            ("**", {}),
            ("hits.**", {}),
            ("", {}),
            ("-hits.hits._source", {}),
            ("-hits.hits._source.body,-hits.hits._source.comments,-took", {}),
            ("hits.hits,-hits.hits._source", {}),
            ("-**._id,-aggregations.*.buckets.doc_count", {"aggs": {"t": {"terms": {"field": "tag"}}}}),
            ("hits.hits._id&pretty", {}),
            ("-hits.hits._source.shelf&pretty", {}),
            ("nothing&pretty", {}),
        ]
    )
]
PLAIN = [
    post("no_query", {}),
    post("no_body", None),
    post("match_all", {"query": {"match_all": {}}, "size": 20}),
    post("filter_only", {"query": {"bool": {"filter": [{"match": {"body": "river"}}]}}}),
    post("size_zero", {"query": RIVER, "size": 0, "aggs": {"t": {"terms": {"field": "tag"}}}}),
    post("suggest_only", {"suggest": {"s": {"text": "rivver", "term": {"field": "body"}}}}),
    post("sort_field", {"query": RIVER, "sort": [{"year": "desc"}]}),
    post("sort_score_ascending", {"query": RIVER, "sort": [{"_score": "asc"}]}),
    post("search_after", {"query": RIVER, "sort": [{"year": "asc"}], "search_after": [1910]}),
    post("stored_fields_none_marked", {"query": RIVER, "stored_fields": "_none_", "highlight": MARKED, "size": 2}),
    post("yaml", {"query": RIVER}, "format=yaml"),
    post("broken_json", b'{"query": '),
    post("unknown_query", {"query": {"matsch": {"body": "river"}}}),
    post("unknown_key", {"query": RIVER, "qeury": 1}),
    post("negative_size", {"query": RIVER, "size": -5}),
    post("from_too_deep", {"query": RIVER, "from": 10_000, "size": 10}),
    post("unknown_parameter", {"query": RIVER}, "sise=3"),
    post("duplicate_keys", b'{"query": {"match": {"body": "river"}}, "query": {"match_all": {}}}'),
    post("wrong_type", {"query": {"match": {"year": "not a number"}}}),
    Case("no_content_type", f"/{INDEX}/_search", b'{"query": {"match_all": {}}}'),
    Case("form_type", f"/{INDEX}/_search", b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Case("absent_index", "/absent/_search", {"query": RIVER}),
    Case("search_off", f"/{INDEX}/_search", {"query": RIVER}, headers={"X-Rerank-Mode": "off"}),
    get("document", f"/{INDEX}/_doc/b1"),
    get("document_source", f"/{INDEX}/_source/b1?pretty"),
    get("absent_document", f"/{INDEX}/_doc/nothing"),
    get("slash_in_id", f"/{INDEX}/_doc/{quote('a/b c+ü', safe='')}"),
    get("date_math_index", "/%3Clog-%7B2024.05.06%7C%7C%2Fd%7Byyyy.MM.dd%7D%7D%3E/_doc/1"),
    get("double_slash", f"//{INDEX}/_doc/b1"),
    get("trailing_slash", f"/{INDEX}/_mapping/"),
    get("mapping", f"/{INDEX}/_mapping"),
    get("settings", f"/{quote(UNICODE)}/_settings?flat_settings=true"),
    get("cat_health", "/_cat/health?h=cluster,status"),
    get("cat_indices", "/_cat/indices?v&h=index,docs.count&s=index"),
    get("cat_help", "/_cat/indices?help"),
    get("cat_nothing", "/_cat/templates/nothing-*"),
    get("unknown_path", "/_nothing/here?x=%zz"),
    get("count", f"/{INDEX}/_count?q=body:river"),
    get("explain", f"/{INDEX}/_explain/b1?q=body:river"),
    get("cbor", f"/{INDEX}/_doc/b1", headers={"Accept": "application/cbor"}),
    get("opaque_id", f"/{INDEX}/_count", headers={"X-Opaque-Id": "mine-1"}),
    get("long_line", f"/{INDEX}/_count?q=" + "body:x%20" * 300),
    get("too_long_line", f"/{INDEX}/_count?q=" + "body:x%20" * 3000),
    Case("validate", f"/{INDEX}/_validate/query?explain=true", {"query": RIVER}),
    Case("analyze", "/_analyze", {"analyzer": "standard", "text": "Über the river 河流"}),
    Case("mget", "/_mget", {"docs": [{"_index": INDEX, "_id": "b1"}, {"_index": INDEX, "_id": "zz"}]}),
    Case("refresh", f"/{INDEX}/_refresh"),
    Case("broken_bulk", "/_bulk", b'{"index":{}}\n', headers=NDJSON),
    Case("wrong_method", f"/{INDEX}/_search", method="PUT"),
    Case("options", f"/{INDEX}/_search", method="OPTIONS"),
    Case("head_index", f"/{INDEX}", method="HEAD"),
    Case("head_absent", "/absent", method="HEAD"),
    Case("head_document", f"/{INDEX}/_doc/b1", method="HEAD"),
    Case("head_root", "/", method="HEAD"),
]
