"""Returns the state of es-rerank as JSON: model, rerank servers, latest searches, rules, and settings."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from aiohttp import web

from es_rerank.config.loading import in_force
from es_rerank.model import Rule
from es_rerank.reasons import ENGINE_UNREACHABLE, REASONS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.server.recent_searches import NotReranked
from es_rerank.server.state import State


async def status(state: State, _request: web.Request) -> web.StreamResponse:
    """Return the state of this worker process. Each worker has its own queue, cache, state of servers, and searches."""
    settings = state.settings
    profile = PROFILES[settings.profile]
    return web.json_response(
        {
            "version": version("es-rerank"),
            "time": time.time(),
            "process": os.getpid(),
            "workers": settings.workers,
            "draining": state.life.draining,
            "engine": _engine(await state.reachability.problem()),
            "profile": settings.profile,
            "for_trying": profile.for_trying,
            "takes_instruction": profile.instruction is not None,
            "instruction": settings.instruction or profile.instruction,
            "self_test": settings.self_test,
            "reranker": asdict(state.reranker.status),
            "windows": [window._asdict() for window in state.recent.windows],
            "not_reranked": [_not_reranked(one) for one in state.recent.not_reranked],
            "rules": [rule_shown(rule) for rule in state.rules],
            "settings": in_force(settings),
        }
    )


def _engine(problem: str) -> dict[str, str]:
    """Return the state of the engine. *problem* is the reason why it does not respond; empty if it responds."""
    if not problem:
        return {"state": "ok"}
    return {"state": "unreachable", "problem": problem, **ENGINE_UNREACHABLE._asdict()}


def _not_reranked(one: NotReranked) -> dict[str, Any]:
    """Return a reason for which searches were not reranked, what it means, and what to do."""
    return {**asdict(one), **REASONS[one.why]._asdict()}


def rule_shown(rule: Rule) -> dict[str, Any]:
    """Return the keys and values of a rule, as in a rule file. Keys without a value are omitted."""
    return {name: value for name, value in _members(rule) if value not in (None, (), [], {})}


def _members(rule: Rule) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a rule with their values. Durations are in seconds."""
    yield "name", rule.name
    yield "index", list(rule.patterns)
    yield "mode", rule.mode
    yield "sample_rate", rule.sample_rate if rule.mode == "sample" else None
    yield "window", rule.window
    yield "deadline", rule.deadline
    yield "policy", str(rule.policy)
    yield "fields", list(rule.fields)
    yield "template", rule.template
    yield "labels", rule.labels or None
    yield "instruction", rule.instruction
    yield "protect", asdict(rule.protect) if rule.protect else None
    yield from _minimum(rule)
    yield "long_documents", rule.long.mode
    yield "max_passage_tokens", rule.long.max_passage_tokens
    yield "max_search_tokens", rule.long.max_search_tokens
    yield "query_header", "allow" if rule.query_header else "deny"
    yield "strict", rule.strict
    yield "partial", "allow" if rule.partial else "deny"


def _minimum(rule: Rule) -> Iterator[tuple[str, Any]]:
    """Yield the rule keys about the minimum probability of hits, with their values. Yield nothing without a minimum."""
    if minimum := rule.min_probability:
        yield "min_probability", minimum.value
        yield "below_min_probability", minimum.below
