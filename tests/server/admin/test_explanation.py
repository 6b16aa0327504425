from __future__ import annotations

import msgspec
import pytest

from es_rerank.config.rules import default_rule
from es_rerank.config.settings import Settings
from es_rerank.model import IndexInfo, Plan, Search, Skip, Why
from es_rerank.reasons import REASONS
from es_rerank.search import plan as planning
from es_rerank.search.formats.decode import decode
from es_rerank.search.formats.endpoints import EndpointRequest, match
from es_rerank.search.formats.parse import parse
from es_rerank.server.admin import explanation

INFO = IndexInfo(("docs",), {"title": "text", "body": "text"})


def request_and_plan(body: bytes, **headers: str) -> tuple[EndpointRequest, Search, Plan]:
    request = match("POST", "/docs/_search?size=3", headers)
    assert request is not None
    parsed = parse(request, body)
    assert not isinstance(parsed, Skip)
    search = decode(request, parsed[0])
    assert isinstance(search, Search)
    plan = planning.make(search, default_rule(Settings()), INFO)
    assert isinstance(plan, Plan)
    return request, search, plan


def test_a_planned_search_has_its_rule_and_its_engine_request() -> None:
    body = b'{"query":{"match":{"body":"hose"}}}'
    found = explanation.planned(*_arguments(body), None)
    assert (found["decision"], found["query_text"], found["window"], found["page"]) == ("plan", "hose", 50, [0, 3])
    assert found["rule"] == {"name": "default", "mode": "on", "policy": "replace", "deadline": 3.0, "template": None}
    assert found["passage_fields_from"] == "hits"
    sent = msgspec.json.decode(msgspec.json.encode(found["upstream"]))
    assert sent == {"method": "POST", "path": "/docs/_search?from=0&size=50", "body": msgspec.json.decode(body)}


def _arguments(body: bytes) -> tuple[EndpointRequest, str, Search, Plan]:
    request, search, plan = request_and_plan(body)
    return request, "POST", search, plan


def test_a_header_line_is_shown() -> None:
    found = explanation.planned(*_arguments(b'{"query":{"match":{"body":"hose"}}}'), b'{"index":"docs"}')
    assert found["upstream"]["header"] == msgspec.Raw(b'{"index":"docs"}')


@pytest.mark.parametrize("why", list(Why))
def test_a_skipped_search_has_the_meaning_and_the_remedy(why: Why) -> None:
    found = explanation.skipped(Skip(why), "hose")
    means, do = REASONS[why]
    assert (found["decision"], found["why"], found["means"], found["do"]) == ("skip", why, means, do)
    assert (found["query_text"], found["window"], found["rule"]) == ("hose", 0, None)
