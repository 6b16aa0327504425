"""Plans a search. If it cannot be reranked, the result is a skip with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from es_rerank.model import (
    FetchPhase,
    FetchSpec,
    IndexInfo,
    LongDocumentMode,
    PipelineEffect,
    Plan,
    RerankRequest,
    Rule,
    Search,
    Skip,
    Why,
)
from es_rerank.search.fields.candidates import candidates, names_in
from es_rerank.search.formats.endpoints import index_options
from es_rerank.search.paging import has_invalid_page, page
from es_rerank.search.passages import SOURCE_FILTERS, ambiguous_fields, extra_fields, is_covered, requested_fields
from es_rerank.search.phases import INNER_HITS, is_two_phase
from es_rerank.search.pipelines import is_verbose
from es_rerank.search.query_text.extract import may_have_text, query_text, typed_texts
from es_rerank.search.query_text.retrievers import rank_window_size
from es_rerank.search.query_text.terms import QueryText
from es_rerank.search.recorded import is_recorded
from es_rerank.search.relevance_sort import is_relevance_sort
from es_rerank.search.size_dependence import depends_on_size
from es_rerank.search.source_filter import requests_whole_source
from es_rerank.search.visible import readable_fields
from es_rerank.search.wildcards import WILDCARD
from es_rerank.search.window import moves_hits

# Body members that limit how many hits are returned.
_RANKING_PARTS = frozenset({"rank", "retriever"})
# With these members, a response has other content than hits, even if there are no hits.
_RESULTS_BESIDE_HITS = frozenset({"aggs", "aggregations", "suggest"})
# With these members, a response may have fewer hits than there are matching documents.
_UNCOUNTED_PARTS = _RANKING_PARTS | {"collapse", "ext", "knn", "sub_searches", "terminate_after"}
# Limited because each pattern is compared with each field of each hit.
_MAX_FIELD_PATTERNS = 1000


def early(search: Search) -> Skip | None:
    """Return a skip if a search cannot be reranked, whatever its index, otherwise None. No engine request is needed."""
    return next((Skip(why) for why, applies in CHECKS if applies(search)), None)


def make(search: Search, rule: Rule, info: IndexInfo, *, two_phase: bool = True) -> Plan | Skip:
    """Plan a search whose rule and mapping are known. All pages are slices of one reranked window.

    Args:
        search: The search.
        rule: The rule of its indices.
        info: The names and field types of its indices.
        two_phase: Whether searches at this endpoint may be split into a query phase and a fetch phase.

    """
    query_texts = typed_texts(search, info)
    wanted = search.rerank_request or RerankRequest(query_text(query_texts))
    given = wanted.fields or rule.fields
    if not given and _comparisons(query_texts, info) > search.budget.comparisons:
        return Skip(Why.TOO_COMPLEX)
    fields, named = (given, ()) if given else readable_fields(search, *candidates(info, names_in(search, query_texts)))
    if not wanted.text or not fields:
        return Skip(Why.NO_TEXT_FIELDS if wanted.text else Why.NO_QUERY_TEXT)
    if _exceeds_rank_window(search):
        return Skip(Why.BEYOND_WINDOW)
    start, size = page(search)
    plan = Plan(
        text=wanted.text,
        start=start,
        size=size,
        fetch=FetchSpec(FetchPhase.WINDOW, 0, 0),
        window=_smallest(rule.window, wanted.window, _rank_window(search), info.max_result_window),
        rule=_with_request(rule, wanted),
        passage_fields=fields,
        client_fields=requested_fields(search),
        min_score=wanted.min_score,
        without_stored_fields=_excludes_stored_fields(search),
        counts_hits=not search.body.values.keys() & _UNCOUNTED_PARTS,
        named_fields=named,
        chooses_fields=not given,
        target=search.target,
        index_options=index_options(search.params),
        info=_complete(info, search),
    )
    return _with_phases(_with_page(plan, wanted, search, info), search, info, two_phase)


def shadow(search: Search, plan: Plan) -> Skip:
    """Return a skip for a search in shadow mode, with the plan for measuring the effect of reranking.

    For the measurement, the search is sent to the engine again. The skip has no plan if the search would be repeated
    with options for the engine's plugins (`ext`), which may record the search or call a model.
    """
    repeats_options = search.body.values.get("ext") and plan.fetch.phase is not FetchPhase.QUERY
    return Skip(Why.SHADOW, None if repeats_options else plan, plan.rule.name)


def _complete(info: IndexInfo, search: Search) -> IndexInfo | None:
    """Return the mapping if it covers all indices of the search; None for a point in time, which may have others."""
    return info if search.body.values.get("pit") is None else None


def _smallest(*limits: int | None) -> int:
    """Return the smallest limit; None means no limit."""
    return min(limit for limit in limits if limit is not None)


def _comparisons(query_texts: Sequence[QueryText], info: IndexInfo) -> int:
    """Return the number of comparisons of a field with a pattern that are needed to find the fields of the query."""
    return len({name for text in query_texts for name in text.fields if WILDCARD in name}) * len(info.field_types)


def _exceeds_rank_window(search: Search) -> bool:
    """Return whether the client's page ends after the hits that the search's retriever ranks."""
    limit = _rank_window(search)
    return limit is not None and sum(page(search)) > limit


def _rank_window(search: Search) -> int | None:
    """Return the number of hits that the retriever of a search ranks; None if there is no limit."""
    return rank_window_size(search.body.values)


def _with_page(plan: Plan, wanted: RerankRequest, search: Search, info: IndexInfo) -> Plan:
    """Return the plan with the hits to fetch: the window and later hits of the page, or only a page beyond the window.

    If the result depends on `size`, exactly the client's page is fetched, and the first page is the window. If the rule
    moves hits of the window to the end, each page depends on how many are moved. The window is then read for all pages,
    with as many more hits as can move up.
    """
    if wanted.window is None and depends_on_size(search.body):
        window = 0 if plan.start else min(plan.window, plan.size)
        return replace(plan, fetch=FetchSpec(FetchPhase.WINDOW, plan.start, plan.size), window=window)
    if wanted.window is not None:
        # Like native rerankers, an explicit rerank request returns only hits from its window.
        last = plan.window if wanted.min_score is not None else wanted.window
        plan = replace(plan, size=max(0, min(plan.size, last - plan.start)))
    elif plan.start >= plan.window and not moves_hits(plan):
        return replace(plan, fetch=FetchSpec(FetchPhase.WINDOW, plan.start, plan.size), window=0)
    end = plan.start + plan.size
    if moves_hits(plan):
        end = max(end, _smallest(end + plan.window, wanted.window, _rank_window(search), info.max_result_window))
    return replace(plan, fetch=FetchSpec(FetchPhase.WINDOW, 0, max(plan.window, end)))


def _with_phases(plan: Plan, search: Search, info: IndexInfo, two_phase: bool) -> Plan | Skip:
    """Return the plan with a query phase if *two_phase* is true and the search allows it.

    Otherwise, return the plan with the extra fields that a single request needs, or a skip if a single request with
    extra fields would change the response.
    """
    is_whole = requests_whole_source(search) and info.has_source
    extra = () if is_whole else extra_fields(search, plan.passage_fields)
    # A pipeline that changes each hit may rename a field that only the model reads.
    if info.pipeline is PipelineEffect.PAGE or (info.pipeline is PipelineEffect.PER_HIT and extra):
        return Skip(Why.SEARCH_PIPELINE)
    two_phase = two_phase and not plan.without_stored_fields and info.pipeline is PipelineEffect.NONE
    needs_fields = bool(extra) or not info.has_source
    if two_phase and is_two_phase(search, info, plan, needs_fields=needs_fields):
        recorded = is_recorded(search.body)
        hits_only = not recorded and not search.body.values.keys() & _RESULTS_BESIDE_HITS
        fetch = replace(plan.fetch, phase=FetchPhase.QUERY)
        return replace(plan, fetch=fetch, reads_stored=not info.has_source, hits_only=hits_only, recorded=recorded)
    if plan.window and is_recorded(search.body):
        return Skip(Why.UBI)
    ambiguous = ambiguous_fields(search)
    if any(is_covered(name, ambiguous) for name in extra):
        return Skip(Why.STORED_FIELDS)
    if extra and b'"top_hits"' in search.body.raw:
        return Skip(Why.TOP_HITS)
    return replace(plan, extra_fields=extra)


def _with_request(rule: Rule, wanted: RerankRequest) -> Rule:
    """Return the rule with the request's explicit options. If the request names fields, the template is not used."""
    if wanted.chunks:
        rule = replace(rule, long=replace(rule.long, mode=LongDocumentMode.MAX_PASSAGE))
    return replace(rule, template=None) if wanted.fields else rule


def _is_sorted(search: Search) -> bool:
    """Return whether hits are sorted by anything other than descending `_score`."""
    if "sort" in search.params:
        name, _, order = search.params["sort"].split(",")[0].partition(":")
        return name not in {"", "_score"} or order.lower() not in {"", "desc"}
    sort = search.body.values.get("sort")
    return sort is not None and not is_relevance_sort(sort)


def _has(*names: str) -> Callable[[Search], bool]:
    """Return a function that checks whether a request sets any of these body members or URL parameters."""
    return lambda search: any(name in search.params or search.body.values.get(name) is not None for name in names)


def _is_walked(search: Search) -> bool:
    """Return whether a point in time has a `sort`: clients then use the sort values as `search_after` cursors."""
    return search.body.values.get("pit") is not None and (
        "sort" in search.params or bool(search.body.values.get("sort"))
    )


def _excludes_stored_fields(search: Search) -> bool:
    """Return whether the client wants hits without `_id` and `_source` (`stored_fields: _none_`)."""
    stored = search.params.get("stored_fields", search.body.values.get("stored_fields"))
    return stored in ("_none_", ["_none_"])


def _has_hit_parts(search: Search) -> bool:
    """Return whether hits have parts that need stored fields, or that the engines reject with `_none_`."""
    return _has("highlight", "fields", *SOURCE_FILTERS)(search) or INNER_HITS in search.body.raw


# The first matching row is used. Searches with `slice`, or with a sorted point in time, export all hits and depend on
# the engine's order.
CHECKS: tuple[tuple[Why, Callable[[Search], bool]], ...] = (
    (Why.SCROLL, _has("scroll")),
    (Why.SEARCH_AFTER, _has("search_after")),
    (Why.SLICE, _has("slice")),
    (Why.POINT_IN_TIME, _is_walked),
    (Why.UNREADABLE, has_invalid_page),
    (Why.UNREADABLE, lambda search: not isinstance(search.body.values.get("fields", []), list)),
    (Why.TOO_LARGE, lambda search: len(requested_fields(search)) > _MAX_FIELD_PATTERNS),
    (Why.SEARCH_PIPELINE, is_verbose),
    (Why.SORT, _is_sorted),
    (Why.SIZE_ZERO, lambda search: page(search)[1] == 0),
    (Why.STORED_FIELDS, lambda search: _excludes_stored_fields(search) and _has_hit_parts(search)),
    (Why.NO_QUERY_TEXT, lambda search: not search.rerank_request and not may_have_text(search)),
)
