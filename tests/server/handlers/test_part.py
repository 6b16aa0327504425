from __future__ import annotations

from dataclasses import replace

import pytest

from es_rerank.model import FetchPhase, FetchSpec, Search, Skip, Why
from es_rerank.search.formats.endpoints import ParsedSearch
from es_rerank.server.handlers.part import Part, within_limit
from tests.search.builders import a_plan, a_search

SENT, PLAIN = b'{"named":1}', b'{"query":{}}'
SKIP = Skip(Why.SORT)
SEARCH = a_search(PLAIN)
NAMED = Search("docs", {}, SEARCH.body, without_reranker=True)
PART = Part(ParsedSearch("docs", {}, SENT, header=b'{"routing":"a"}'), SENT, SEARCH, SKIP)


@pytest.mark.parametrize(("search", "body"), [(SEARCH, SENT), (SKIP, SENT), (NAMED, PLAIN)])
def test_a_skipped_search_is_sent_as_it_is_but_without_a_named_reranker(search: Search | Skip, body: bytes) -> None:
    part = replace(PART, search=search)
    assert part.line() == part.own_line == (b'{"routing":"a"}', body)


def test_a_planned_search_has_the_page_of_its_plan() -> None:
    assert PART.line(a_plan()) == (b'{"routing":"a"}', b'{"query":{},"from":0,"size":50}')


def test_a_template_is_sent_as_a_template() -> None:
    template = replace(PART.parsed, template=SENT)
    assert replace(PART, parsed=template, search=NAMED).own_line[1].startswith(b'{"source":"{{{search}}}"')
    assert replace(PART, parsed=template).own_line[1] == SENT
    not_rendered = replace(PART, parsed=template, body=None, search=SKIP)
    assert b"match_none" in not_rendered.line()[1]
    assert not_rendered.own_line[1] == SENT


@pytest.mark.parametrize(("last", "is_planned"), [(5010, True), (5011, False)])
def test_a_search_that_exceeds_the_limit_of_added_hits_loses_its_plan(last: int, is_planned: bool) -> None:
    plans = [a_plan(size=10, fetch=FetchSpec(FetchPhase.WINDOW, 0, size)) for size in (5010, 10, last)]
    kept = within_limit([PART, *(replace(PART, plan=plan) for plan in plans)])
    assert [part.plan for part in kept] == [SKIP, *plans[:2], plans[2] if is_planned else Skip(Why.TOO_LARGE)]
