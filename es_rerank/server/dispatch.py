"""Routes an HTTP request: to an error response, an admin page, a handler, or the engine."""

from __future__ import annotations

import time
from dataclasses import replace
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from es_rerank.errors import RequestError, UpstreamError
from es_rerank.model import Why
from es_rerank.net.content_encoding import MAX_RATIO, compress, decompress
from es_rerank.net.messages import Body
from es_rerank.net.tracing import TRACING
from es_rerank.search.engine_request.plain import plain_request
from es_rerank.search.formats.endpoints import EndpointRequest, Role, match
from es_rerank.server import client_request
from es_rerank.server.admin.access import deny_own_endpoint
from es_rerank.server.admin.pages import PREFIX, admin_page
from es_rerank.server.concurrency import compute
from es_rerank.server.handlers import HANDLERS
from es_rerank.server.handlers.context import EngineSession, SearchCall, search_call
from es_rerank.server.handlers.result import HandlerResult, internal_failure, pass_through
from es_rerank.server.listen.admin_access import AdminAccess, admin_access
from es_rerank.server.listen.request_checks import Rejection, RequestHead, check_request, malformed
from es_rerank.server.memory import Hold
from es_rerank.server.passthrough import gateway_error, pass_request
from es_rerank.server.request_body import ReadBody, read_body
from es_rerank.server.responses import RerankHeaders, WholeResponse, error_answer, outcome_header, sent
from es_rerank.server.state import STATE, State
from es_rerank.server.timings import Timings

log = structlog.get_logger()

# The error responses for a body that cannot be read, at endpoints that es-rerank answers without the engine: status,
# error type and reason.
_UNREAD = {
    Why.TOO_LARGE: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "content_too_long_exception",
        "the body is longer than {} bytes",
    ),
    Why.OUT_OF_MEMORY: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "circuit_breaking_exception",
        "too many bytes are held in memory",
    ),
    Why.DEADLINE: (HTTPStatus.REQUEST_TIMEOUT, "timeout_exception", "the body did not arrive in time"),
}


async def dispatch(request: web.Request) -> web.StreamResponse:
    """Return the response to a request. If es-rerank itself fails, the status is 500, which clients do not retry."""
    rejected = check_request(RequestHead(request.method, request.raw_path, request.headers, request.version))
    if rejected:
        return _refused(request, rejected)
    try:
        return await _routed(request)
    except RequestError as error:
        return _refused(request, Rejection(error.status, error.kind, str(error)))
    except web.RequestPayloadError as error:
        return _refused(request, malformed(str(error) or "the body of the request is malformed"))
    except Exception as error:
        log.exception("request failed", path=request.path)
        if request.writer.output_size:
            raise
        reason = f"es-rerank failed: {type(error).__name__}"
        return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "es_rerank_exception", reason)


@web.middleware
async def dispatch_any(request: web.Request, handler: Handler) -> web.StreamResponse:  # noqa: ARG001
    """Respond to every request, including targets that aiohttp's router does not match, such as `*`."""
    return await dispatch(request)


def _refused(request: web.Request, rejected: Rejection) -> web.Response:
    """Return an error response that closes the connection. The rest of the request is not read."""
    if rejected.silent and request.transport:
        request.transport.abort()
    if request.content.exception():
        # aiohttp would wait for the rest of the body and raise the same error again.
        request.content.feed_eof()
    response = error_answer(rejected.status, rejected.kind, rejected.reason)
    response.force_close()
    return response


async def _routed(request: web.Request) -> web.StreamResponse:
    """Route a request to an admin page, a handler for searches, or the engine."""
    state = request.app[STATE]
    if admin_access(request) is not AdminAccess.NONE and (request.path + "/").startswith(PREFIX + "/"):
        return await admin_page(state, request)
    endpoint_request = match(request.method, client_request.target(request), request.headers, state.endpoints)
    if endpoint_request is None:
        if not _is_operator(request):
            state.metrics.passed_through()
        return await pass_request(state, request, client_request.uploading(request))
    return await answer(state, request, endpoint_request)


async def answer(state: State, request: web.Request, endpoint_request: EndpointRequest) -> web.StreamResponse:
    """Respond to a request to a known endpoint, or pass it through with the reason in the `X-Rerank` header."""
    name = f"{request.method} {endpoint_request.endpoint}"
    with state.memory.hold() as hold, TRACING.server_span(name, request.headers):
        response = await _answered(state, request, endpoint_request, hold)
        if isinstance(response, WholeResponse):
            # The body is in memory until the client has read the response, and some clients read slowly.
            await sent(request, response)
        return response


async def _answered(
    state: State, request: web.Request, endpoint_request: EndpointRequest, hold: Hold
) -> web.StreamResponse:
    """Read a request into memory and return the response. *hold* counts the bytes of the request and engine replies."""
    arrived = time.monotonic()
    if endpoint_request.role is Role.OWN and (denied := await deny_own_endpoint(state, request)):
        return denied
    limit = state.settings.max_body
    read = await read_body(client_request.ClientBody(request), limit, hold)
    if read.whole is None:
        return await _unread(state, request, endpoint_request, read, hold)
    timings, whole = Timings(), read.whole
    coding = request.headers.get("Content-Encoding", "")
    body = await compute(len(whole) * MAX_RATIO, decompress, whole, coding, limit) if coding else whole
    if body is None and endpoint_request.role is Role.OWN:
        return error_answer(HTTPStatus.BAD_REQUEST, "parse_exception", f"the body is not valid {coding}, or too long")
    call = search_call(state, request, endpoint_request, body or b"", arrived)
    session = EngineSession(call, timings, hold)
    try:
        readable = body is not None or endpoint_request.role is Role.RESULTS
        result = await _plain_result(call, session) if readable else _not_read(endpoint_request, Why.FORMAT)
    except UpstreamError as error:
        log.warning("upstream failed", path=request.path, reason=str(error))
        result = pass_through(Why.ENGINE_ERROR)
        state.metrics.upstream_failed("unreachable")
        headers = RerankHeaders(outcome_header(result.outcomes), timings, endpoint=endpoint_request.endpoint)
        _count(state, request, result, headers)
        return gateway_error(str(error), headers)
    headers = RerankHeaders(outcome_header(result.outcomes), timings, session.warnings, endpoint_request.endpoint)
    if result.body is None:
        response = await _passed(state, request, result, whole, headers)
    else:
        response = await _written(state, request, result, result.body, headers)
    if result.measurements:
        state.shadows.start(result.measurements, call.options.restarted(time.monotonic()))
    return response


async def _unread(
    state: State, request: web.Request, endpoint_request: EndpointRequest, read: ReadBody, hold: Hold
) -> web.StreamResponse:
    """Return the response to a request whose body was not read completely.

    The request is streamed to the engine, or rejected if its endpoint is one that es-rerank answers without the engine.
    """
    why = read.why or Why.TOO_LARGE
    if endpoint_request.role is Role.OWN:
        status, kind, reason = _UNREAD[why]
        response = error_answer(status, kind, reason.format(state.settings.max_body))
        response.force_close()
        return response
    result = _not_read(endpoint_request, why)
    headers = RerankHeaders(outcome_header(result.outcomes), Timings(), endpoint=endpoint_request.endpoint)
    return await _passed(state, request, result, client_request.ClientBody(request, read.parts, hold), headers)


def _not_read(endpoint_request: EndpointRequest, why: Why) -> HandlerResult:
    """Return a result that passes a request through because its body cannot be read.

    The result has an outcome only if the request is for an endpoint with searches.
    """
    return HandlerResult(None) if endpoint_request.role is Role.COMPAT else pass_through(why)


async def _handled(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Return the result of the endpoint's handler. If the handler fails, the result is to pass the request through."""
    role = call.endpoint_request.role
    if role is Role.SEARCHES and call.options.off:
        return pass_through(Why.OFF)
    try:
        return await HANDLERS[call.endpoint_request.endpoint](call, session)
    except UpstreamError:
        raise
    except Exception:
        if call.endpoint_request.role is Role.OWN:
            raise
        log.exception("search not reranked", path=call.request.path)
        return HandlerResult(None) if role is Role.COMPAT else internal_failure()


async def _plain_result(call: SearchCall, session: EngineSession) -> HandlerResult:
    """Return the result of the handler. If a request is passed through, remove rerankers that es-rerank replaces."""
    result = await _handled(call, session)
    if result.body is not None or result.forward is not None:
        return result
    forward = await compute(len(call.body), plain_request, call.endpoint_request, call.body)
    return replace(result, forward=forward)


async def _passed(
    state: State, request: web.Request, result: HandlerResult, body: Body, headers: RerankHeaders
) -> web.StreamResponse:
    """Return the engine's response to a request that is passed through, and record the outcomes of its searches."""
    try:
        return await pass_request(state, request, body, headers, result.forward)
    finally:
        # Counted even if the client disconnects while the response is streamed.
        _count(state, request, result, headers)


async def _written(
    state: State, request: web.Request, result: HandlerResult, body: bytes, headers: RerankHeaders
) -> web.StreamResponse:
    """Return a response with *body*, and with the headers of the engine's reply if the result has such a reply."""
    response: web.Response
    if result.reply is None:
        response = web.Response(status=result.status, body=body, content_type="application/json")
    else:
        own, coding = result.reply.headers, result.reply.content_encoding
        if coding:
            own["Content-Encoding"] = coding
            body = await compute(len(body), compress, body, coding)
        response = WholeResponse(body=body, headers=own)
    headers.add_to(response.headers)
    _count(state, request, result, headers)
    return response


def _count(state: State, request: web.Request, result: HandlerResult, headers: RerankHeaders) -> None:
    """Record the outcomes of a request's searches. Searches of the admin page are not counted in the metrics."""
    if headers.outcome and headers.timings:
        durations = headers.timings.durations()
        if not _is_operator(request):
            state.metrics.searched(result.outcomes, durations, headers.endpoint)
        state.field_choices.record(request.path, result.outcomes)
        state.recent.record(request.path, result.outcomes)
        TRACING.annotate({"es_rerank.outcome": headers.outcome})
        state.search_log.record(request, result.outcomes, headers, durations)
    elif not _is_operator(request):
        state.metrics.passed_through()


def _is_operator(request: web.Request) -> bool:
    """Return whether a request was sent to the address of the admin pages, as the admin page does with its searches."""
    return admin_access(request) is AdminAccess.ALL
