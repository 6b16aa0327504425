"""The context of a handler: the client's request, and a session with the engine on behalf of the client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from es_rerank.config.rules import hidden
from es_rerank.errors import UpstreamError
from es_rerank.model import (
    CallOptions,
    EngineReply,
    Failed,
    IndexInfo,
    Plan,
    Rule,
    Scored,
    ScoreRequest,
    Search,
    Skip,
    Why,
)
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import chosen_encoding, supported_encodings
from es_rerank.net.messages import EngineResponse, OutgoingRequest
from es_rerank.net.tracing import TRACING
from es_rerank.pipeline import Ports, measure
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, EngineRequest
from es_rerank.search.engine_request.repeatable import is_repeatable
from es_rerank.search.formats.decode import wants_other_format
from es_rerank.search.formats.endpoints import EndpointRequest, ParsedSearch
from es_rerank.search.formats.parse import parse
from es_rerank.search.order_change import Change
from es_rerank.server import client_request
from es_rerank.server.call_options import call_options
from es_rerank.server.concurrency import compute
from es_rerank.server.handlers.engine_reply import read_reply
from es_rerank.server.handlers.filtering import shows_no_hits
from es_rerank.server.handlers.result import HandlerResult, pass_through
from es_rerank.server.handlers.traced import Fetch, Score, traced_ports, traced_score
from es_rerank.server.memory import Hold
from es_rerank.server.search_pipelines import Caller, identity
from es_rerank.server.shadow import Measurement
from es_rerank.server.state import State
from es_rerank.server.timings import Timings

# Time reserved before the deadline for building the response. Searches that wait for scores at the same time are often
# scored together, and their responses are then built one after another.
_WRITE_SHARE, _MAX_WRITE_SECONDS, _WRITE_SECONDS_PER_SEARCH, _MAX_WRITE_SHARE = 0.05, 0.1, 0.001, 0.5
# Share of the time limit for getting the field types of an index; the rest is for the search itself.
_FIELDS_SHARE = 0.5
# Headers that es-rerank sets itself in engine requests.
_OWN_HEADERS = ("Content-Length", "Content-Encoding", "Accept-Encoding")


@dataclass(frozen=True, slots=True)
class SearchCall:
    """One request to a known endpoint.

    Attributes:
        state: The components of the running endpoint.
        request: The client's request.
        endpoint_request: The request's endpoint, with the decoded path and parameters.
        body: The request body, without content encoding.
        options: Arrival time, deadline, mode and sampling key for the searches of the request.

    """

    state: State
    request: web.BaseRequest
    endpoint_request: EndpointRequest
    body: bytes
    options: CallOptions


def search_call(
    state: State, request: web.BaseRequest, endpoint_request: EndpointRequest, body: bytes, arrived: float
) -> SearchCall:
    """Return the call for a request that arrived at *arrived* (`time.monotonic()`). May raise RequestError."""
    row = ENGINE_REQUESTS.get(endpoint_request.endpoint)
    options = call_options(request.headers, arrived, two_phase=row is not None and row.two_phase)
    return SearchCall(state, request, endpoint_request, body, options)


def parsed_searches(call: SearchCall) -> Sequence[ParsedSearch] | HandlerResult:
    """Return the searches of a request, or a pass-through result if it cannot be parsed or rewritten."""
    parsed = parse(call.endpoint_request, call.body)
    if isinstance(parsed, Skip):
        return pass_through(parsed.why)
    if wants_other_format(call.endpoint_request):
        return pass_through(Why.FORMAT)
    return pass_through(*(Why.FILTER_PATH for _ in parsed)) if shows_no_hits(call.endpoint_request) else parsed


class EngineSession:
    """Sends engine requests on behalf of one client.

    State, which only grows: the intervals in which the engine or the reranker worked (`timings`), and the warnings of
    all replies (`warnings`), because the engine may send a warning only once.
    """

    def __init__(self, call: SearchCall, timings: Timings, hold: Hold) -> None:
        """Create a session for the client of *call*. The bytes of the engine's responses are added to *hold*."""
        self._call = call
        self._hold = hold
        self._client_headers: CIMultiDict[str] | None = None
        self._is_traced = TRACING.is_recording
        self.timings = timings
        self.warnings: list[str] = []

    async def ask(self, engine_request: EngineRequest, method: str = "") -> EngineReply:
        """Send a request to the engine, and return the complete reply.

        Args:
            engine_request: Path, query string and body.
            method: HTTP method; empty means the client's method.

        Raises:
            UpstreamError: The engine cannot be reached, or its response is cut off.

        """
        request = self._request(engine_request, method)
        started = time.monotonic()
        try:
            async with self._call.state.upstream.open(request) as response:
                reply = await self._read(response)
        except aiohttp.ClientError as error:
            raise UpstreamError(f"the engine's response was cut off: {describe_error(error)}") from error
        finally:
            ended = self.timings.add_engine(started)
        if not engine_request.path.endswith("_msearch"):
            self._call.state.window_limits.learn_from(self._call.endpoint_request.target, reply)
        self.warnings += [one for one in reply.headers.getall("Warning", []) if one not in self.warnings]
        return replace(reply, started=started, ended=ended)

    def ports(self, fetch: Fetch, score: Score | None = None) -> Ports:
        """Return the I/O functions for the pipeline. *score* scores windows; by default, the model scores them."""
        state = self._call.state
        allow_two = partial(state.engine_times.allow_two, self._call.endpoint_request.path)
        ports = Ports(self._resolve_index, fetch, partial(self.score, score=score), state.indices, compute, allow_two)
        return traced_ports(ports) if self._is_traced else ports

    def measurements(self, fetch: Callable[[EngineSession], Fetch], *plans: Plan | None) -> tuple[Measurement, ...]:
        """Return a shadow measurement for each plan that is not None. Measurements run after the response.

        *fetch* returns the function that fetches a plan's hits in a session.
        """
        return tuple(partial(self._measured, fetch, plan) for plan in plans if plan)

    async def _measured(
        self, fetch: Callable[[EngineSession], Fetch], plan: Plan, options: CallOptions
    ) -> Change | None:
        """Measure in a session of its own, because the bytes that the request holds are released with the response."""
        with self._call.state.memory.hold() as hold:
            own = EngineSession(self._call, Timings(), hold)
            return await measure(plan, own.ports(fetch(own)), options)

    async def score(self, request: ScoreRequest, score: Score | None = None) -> Scored | Failed:
        """Return the scores of a window from the model or from *score*, early enough to build the response in time."""
        reranker = self._call.state.reranker
        score = score or reranker.score
        if self._is_traced:
            score = traced_score(score)
        started = time.monotonic()
        seconds = request.deadline - self._call.options.arrived
        deadline = request.deadline - min(seconds * _WRITE_SHARE, _MAX_WRITE_SECONDS)
        deadline -= min(reranker.searches * _WRITE_SECONDS_PER_SEARCH, (deadline - started) * _MAX_WRITE_SHARE)
        try:
            return await score(replace(request, deadline=deadline))
        finally:
            self.timings.add_rerank(started)

    async def _resolve_index(self, search: Search) -> tuple[Rule, IndexInfo] | Skip:
        """Return the rule and the fields of a search's indices, or a skip with the reason why it is not reranked."""
        if hidden(search.target):
            return Skip(Why.HIDDEN_INDEX)
        state, options = self._call.state, self._call.options
        headers = self._headers(client_request.BODY_HEADERS)
        # The rule and its deadline are not known until the indices are resolved, so use the default rule's deadline.
        deadline = options.deadline_of(state.rules.default_rule)
        started = time.monotonic()
        seconds = (deadline - options.arrived) * _FIELDS_SHARE - (started - options.arrived)
        info = await state.indices.resolve(
            search, headers, seconds, use_service_credentials=self._uses_service_credentials
        )
        self.timings.add_engine(started)
        if info is None:
            return Skip(Why.MAPPING)
        rule = state.rules.choose(search.target, info.names)
        return Skip(rule) if isinstance(rule, Why) else (rule, await self._with_limits(search, info, headers))

    async def _with_limits(self, search: Search, info: IndexInfo, headers: CIMultiDict[str]) -> IndexInfo:
        """Return *info* with the effect of the search's pipelines, and with the engine's maximum number of hits."""
        state = self._call.state
        caller = Caller((identity(headers), self._uses_service_credentials), self.ask)
        is_opensearch = state.upstream.distribution == "opensearch"
        effect = await state.pipelines.effect(search, info, caller, has_defaults=is_opensearch)
        # A point in time has its own indices, and no index expression.
        limit = None if "pit" in search.body.values else state.window_limits.of(search.target)
        if effect is info.pipeline and limit is None:
            return info
        return replace(info, pipeline=effect, max_result_window=limit)

    @cached_property
    def _uses_service_credentials(self) -> bool:
        """Whether to use es-rerank's own credentials, because the caller shows no identity."""
        return client_request.uses_service_credentials(self._call.request, self._call.state.settings)

    def _headers(self, without: Iterable[str]) -> CIMultiDict[str]:
        """Return the client's headers for the engine, except *without*. The headers are decoded once per request."""
        if self._client_headers is None:
            self._client_headers = client_request.headers(self._call.request, self._call.state.settings)
        headers = self._client_headers.copy()
        for name in without:
            headers.popall(name, None)
        return headers

    def _request(self, engine_request: EngineRequest, method: str) -> OutgoingRequest:
        """Return the engine request with the client's headers."""
        call = self._call
        headers = self._headers(_OWN_HEADERS)
        accepted = supported_encodings(client_request.accepted_encodings(call.request))
        if accepted and call.state.upstream.compressed:
            headers["Accept-Encoding"] = accepted
        # A body that es-rerank adds needs a content type. A client's body keeps its type, or is sent without a type.
        if engine_request.body and not call.body and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        method = method or call.request.method
        return OutgoingRequest(
            method,
            engine_request.target,
            headers,
            engine_request.body or None,
            retryable=is_repeatable(method, engine_request.target),
            use_service_credentials=self._uses_service_credentials,
        )

    async def _read(self, response: EngineResponse) -> EngineReply:
        """Return the reply. If the engine was not asked for compression, choose an encoding that the client accepts."""
        reply = await read_reply(response, self._call.state.settings.max_answer, self._hold)
        if reply.content_encoding or self._call.state.upstream.compressed:
            return reply
        return replace(reply, content_encoding=chosen_encoding(client_request.accepted_encodings(self._call.request)))
