"""Describes the plan of a search as JSON values, for `es-rerank explain` and the web page. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from es_rerank.model import Plan, Rule, Search, Skip
from es_rerank.reasons import REASONS
from es_rerank.search.engine_request.by_endpoint import engine_request
from es_rerank.search.formats.endpoints import EndpointRequest


def entry(decision: str, **members: Any) -> dict[str, Any]:
    """Return the JSON object for one search, with default values for the members that are not given."""
    return {
        "decision": decision,
        "why": None,
        "means": None,
        "do": None,
        "note": None,
        "query_text": None,
        "rule": None,
        "window": 0,
        "page": None,
        "passage_fields": [],
        "passage_fields_from": None,
        "upstream": None,
        **members,
    }


def skipped(skip: Skip, text: str | None = None) -> dict[str, Any]:
    """Return the JSON object for a search that is not reranked: the reason, its meaning, and what to do about it."""
    return entry("skip", **reason(skip), query_text=text)


def reason(skip: Skip) -> dict[str, str]:
    """Return the reason of a skip, the meaning of the reason, and what to do about it."""
    return {"why": skip.why, **REASONS[skip.why]._asdict()}


def planned(request: EndpointRequest, method: str, search: Search, plan: Plan, header: bytes | None) -> dict[str, Any]:
    """Return the JSON object for a search that would be reranked.

    Args:
        request: The request that has the search.
        method: HTTP method of the request.
        search: The search.
        plan: The plan of the search.
        header: The header line of a search of an `_msearch`; None for other endpoints.

    """
    sent = engine_request(request, search, plan)
    upstream = {"method": method, "path": sent.target, "body": Raw(sent.body) if sent.body else None}
    if header is not None:
        upstream["header"] = Raw(header)
    return entry(
        "plan",
        query_text=plan.text,
        rule=rule_shown(plan.rule),
        window=plan.window,
        page=[plan.start, plan.size],
        passage_fields=plan.passage_fields,
        passage_fields_from=_origin(search, plan),
        upstream=upstream,
    )


def rule_shown(rule: Rule) -> dict[str, Any]:
    """Return the keys of a rule that are relevant for one search, with their values."""
    return {
        "name": rule.name,
        "mode": rule.mode,
        "policy": str(rule.policy),
        "deadline": rule.deadline,
        "template": rule.template,
    }


def _origin(search: Search, plan: Plan) -> str:
    """Return what determines the fields that the model reads: `request`, `rule`, or `hits` if es-rerank chooses."""
    if plan.chooses_fields:
        return "hits"
    return "request" if search.rerank_request and search.rerank_request.fields else "rule"
