"""Explains to an operator how a request is handled, and optionally runs it, to show passages, both orders and times.

The steps are those of a client's search, with the credentials of the caller. The search is not counted in the metrics.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel, ConfigDict, StringConstraints

from es_rerank.errors import UpstreamError
from es_rerank.jsonspan import decode_repaired
from es_rerank.model import Plan, Search, Skip, Why
from es_rerank.pipeline import decide
from es_rerank.search.engine_request.by_endpoint import EngineRequest
from es_rerank.search.formats.decode import decode, wants_other_format
from es_rerank.search.formats.endpoints import Endpoint, EndpointRequest, ParsedSearch, match
from es_rerank.search.formats.parse import parse
from es_rerank.server.admin.explanation import planned, reason, skipped
from es_rerank.server.admin.json_request import read_json
from es_rerank.server.admin.search_run import as_sent, reranked
from es_rerank.server.handlers.context import EngineSession, SearchCall, search_call
from es_rerank.server.handlers.search import render
from es_rerank.server.memory import Hold
from es_rerank.server.passthrough import gateway_error
from es_rerank.server.responses import RerankHeaders
from es_rerank.server.state import State
from es_rerank.server.timings import Timings

# The reasons that `force` overrides.
_FORCED = frozenset({Why.OFF, Why.SHADOW, Why.SAMPLED_OUT})
# The endpoints whose searches can be run.
_RUN = frozenset({Endpoint.SEARCH, Endpoint.SEARCH_TEMPLATE})
_NOT_RUN = "Only searches at `_search` and `_search/template` are run. Send this search to one of them."


class Question(BaseModel):
    """The request body of `POST /_rerank/explain`.

    Attributes:
        method: HTTP method of the request to explain.
        path: Raw path and query string of the request to explain.
        headers: Headers of the request to explain that es-rerank reads, such as `X-Rerank-Query`. Credentials are taken
            from the request to `/_rerank/explain`.
        body: Body of the request to explain, as JSON or as text.
        run: Whether to send the search to the engine and score the hits.
        force: Whether to rerank even if the mode of the rule is `off`, `sample` or `shadow`.

    """

    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "POST"] = "POST"
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=100_000)]
    headers: dict[str, str] = {}
    body: dict[str, Any] | str | None = None
    run: bool = False
    force: bool = False

    @property
    def raw(self) -> bytes:
        """The body of the request to explain, as bytes."""
        if isinstance(self.body, str):
            return self.body.encode()
        return b"" if self.body is None else msgspec.json.encode(self.body)


@dataclass(frozen=True, slots=True)
class _Context:
    """The values needed to explain each search of a request.

    Attributes:
        question: The request to explain, with options.
        call: The same request, as a handler gets it from a client.
        session: The session with the engine.
        forced: The same session, but with `mode: on` in every rule.

    """

    question: Question
    call: SearchCall
    session: EngineSession
    forced: EngineSession

    @property
    def request(self) -> EndpointRequest:
        """The request to explain."""
        return self.call.endpoint_request


async def explain(state: State, request: web.Request) -> web.StreamResponse:
    """Explain the request that is described in the body. The response has one JSON object for each of its searches."""
    question = await read_json(Question, request)
    if isinstance(question, web.Response):
        return question
    with state.memory.hold() as hold:
        try:
            searches = await _searches(state, request, question, hold)
        except UpstreamError as error:
            return gateway_error(str(error), RerankHeaders())
        return web.Response(body=await asyncio.to_thread(_encoded, searches), content_type="application/json")


def _encoded(searches: list[dict[str, Any]]) -> bytes:
    """Return the response body. Call this function in a thread: the body may have the documents of a whole window."""
    # The bodies of requests are included unchanged. They may have text that engines accept, but that is not valid JSON.
    text, _ = decode_repaired(msgspec.json.encode({"searches": searches}), msgspec.Raw)
    return bytes(text)


async def _searches(state: State, request: web.Request, question: Question, hold: Hold) -> list[dict[str, Any]]:
    """Return the explanation of each search in the request to explain, as JSON values."""
    asked = match(question.method, question.path, CIMultiDict(question.headers), state.endpoints)
    parsed = parse(asked, question.raw) if asked else Skip(Why.NOT_A_SEARCH)
    if asked is None or isinstance(parsed, Skip):
        return [skipped(parsed if isinstance(parsed, Skip) else Skip(Why.NOT_A_SEARCH))]
    call = search_call(state, request, asked, question.raw, time.monotonic())
    on = replace(call, state=replace(state, rules=state.rules.forced_on()))
    timings = Timings()
    context = _Context(question, call, EngineSession(call, timings, hold), EngineSession(on, timings, hold))
    return [await _explained(context, one) for one in parsed]


async def _explained(context: _Context, parsed: ParsedSearch) -> dict[str, Any]:
    """Return the explanation of one search, with the result of the search if the caller asks to run it."""
    search = decode(context.request, parsed, await render(context.session, parsed))
    if isinstance(search, Skip):
        return await _with_result(context, skipped(search), search, search)
    plan = await _decided(context, search, two_phase=context.call.options.two_phase)
    skip = await _unforced(context, search) if context.question.force else None
    if isinstance(plan, Skip):
        shown = skipped(plan, plan.shadow.text if plan.shadow else None)
    else:
        shown = planned(context.request, context.question.method, search, plan, parsed.header)
        if skip:
            # Clients do not get this result, so the reason for their result is added.
            shown |= reason(skip)
    return await _with_result(context, shown, search, plan)


async def _decided(context: _Context, search: Search, *, two_phase: bool) -> Plan | Skip:
    """Return the plan of a search, or a skip with the reason why the search is not reranked."""
    if wants_other_format(context.request):
        return Skip(Why.FORMAT)
    session = context.forced if context.question.force else context.session
    return await decide(search, session.ports(_no_fetch), replace(context.call.options, two_phase=two_phase))


async def _unforced(context: _Context, search: Search) -> Skip | None:
    """Return the skip that clients get without `force`, if its reason is one that `force` overrides; otherwise None."""
    decided = await decide(search, context.session.ports(_no_fetch), context.call.options)
    return decided if isinstance(decided, Skip) and decided.why in _FORCED else None


async def _no_fetch(_plan: Plan) -> Any:
    """Raise NotImplementedError. Planning a search does not call this function, because it fetches no hits."""
    raise NotImplementedError


async def _with_result(
    context: _Context, shown: dict[str, Any], search: Search | Skip, plan: Plan | Skip
) -> dict[str, Any]:
    """Return the explanation *shown*, with the result of the search if the caller asks to run it."""
    if not context.question.run:
        return shown
    if context.request.endpoint not in _RUN:
        return {**shown, "note": _NOT_RUN}
    result = await _result(context, search, plan)
    return {**shown, "result": result}


async def _result(context: _Context, search: Search | Skip, plan: Plan | Skip) -> Mapping[str, Any]:
    """Run a search and return its hits with their ranks, scores and passages. Without a plan, no hits are reranked."""
    if isinstance(search, Search) and isinstance(plan, Plan):
        # The search is run in one phase, because only then does the response have all hits of the window in full.
        whole = await _decided(context, search, two_phase=False)
        if isinstance(whole, Plan):
            return await reranked(context.call, context.session, search, whole)
        plan = whole
    request = context.request
    sent = EngineRequest(request.path, request.query_string, context.question.raw)
    return await as_sent(context.session, sent, plan if isinstance(plan, Skip) else Skip(Why.NOT_A_SEARCH))
