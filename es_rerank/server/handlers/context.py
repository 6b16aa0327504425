"""One request on its way: what the client sent, what the engine said, and the time it took."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from es_rerank.config.rules import hidden
from es_rerank.errors import UpstreamError
from es_rerank.model import IndexInfo, Rule, Search, Skip, Why
from es_rerank.net.connection_errors import describe_error
from es_rerank.net.content_encoding import limited, packed, understood, unpacked
from es_rerank.net.messages import EngineResponse, Request
from es_rerank.pipeline import Effects, Fetch, measure
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, EngineRequest
from es_rerank.search.formats.endpoints import EndpointRequest
from es_rerank.search.response.filter_path import cut, paths
from es_rerank.server import client_request
from es_rerank.server.shadow import Measuring
from es_rerank.server.state import State

Result = TypeVar("Result")

# An answer must be written before the deadline is over: this much of it is kept back for that. Searches that wait
# together are over together, and their answers are written one after another.
_WRITING_SHARE, _WRITING_MOST, _WRITING_EACH = 0.05, 0.1, 0.001
# So much of it may be spent on waiting for the fields of an index; the rest is for the page itself.
_ABOUT_SHARE = 0.5
# A client may ask for less: `off`, or `shadow`. What it gives as key, such as a session, is always in the same share.
_MODE_HEADER, _KEY_HEADER = "X-Rerank-Mode", "X-Rerank-Key"


@dataclass(slots=True)
class Exchange:
    """The effects of a request's searches, bound to that request.

    `body` is the decoded request body; `most` the seconds its client waits at most; `engine` the seconds the engine
    took, `last` those of its last answer; `headers` are that one's, as are its `status`, the `coding` of its body, and
    whether the engine names itself `elasticsearch`. `warnings` are those of all its answers: it may say each but once.
    `aside` is what shall be measured after the answer.
    """

    state: State
    request: web.BaseRequest
    carried: EndpointRequest
    body: bytes
    arrived: float
    most: float = math.inf
    engine: float = 0.0
    last: float = 0.0
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    status: int = 0
    coding: str = ""
    elasticsearch: bool = False
    warnings: list[str] = field(default_factory=list)
    aside: list[Measuring] = field(default_factory=list)

    def effects(self, fetch: Fetch) -> Effects:
        """Hand the pipeline what it may do."""
        row = ENGINE_REQUESTS.get(self.carried.endpoint)
        splits = row is not None and row.splits

        def deadline(rule: Rule) -> float:
            return time.monotonic() + self.seconds_left(rule)

        made = Effects(self.about, fetch, self.state.reranker.score, deadline, splits)
        return replace(
            made,
            aside=lambda plan: self.aside.append(partial(measure, plan, made)),
            shadowing=self.mode == "shadow",
            key=self.request.headers.get(_KEY_HEADER, ""),
            fetching=lambda: self.last,
        )

    @property
    def mode(self) -> str:
        """Read what the client asks of the reranker: `off` or `shadow`; anything else asks for nothing less."""
        return self.request.headers.get(_MODE_HEADER, "").strip().lower()

    def seconds_left(self, rule: Rule) -> float:
        """Tell how much of the deadline is left for the model; it runs from the arrival of the request."""
        deadline = min(rule.deadline, self.most)
        left = deadline - min(deadline * _WRITING_SHARE, _WRITING_MOST) - (time.monotonic() - self.arrived)
        return max(left / 2, left - self.state.reranker.searches * _WRITING_EACH)

    async def in_turns(self, work: Callable[..., Awaitable[Result]], *columns: Iterable[Any]) -> list[Result]:
        """Do the work of many searches as `map` would, as many at a time as a rerank server takes.

        The results have the order of the searches; other requests get their turns between them. When one fails the
        others end too, for nobody waits for them any more.
        """
        turns = asyncio.Semaphore(self.state.settings.reranker_max_requests)

        async def in_turn(*row: Any) -> Result:
            async with turns:
                return await work(*row)

        tasks = [asyncio.create_task(in_turn(*row)) for row in zip(*columns, strict=False)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def about(self, search: Search) -> tuple[Rule, IndexInfo] | Skip:
        """Find rule and mapping of what a search names."""
        if hidden(search.target):
            return Skip(Why.HIDDEN_INDEX)
        who = client_request.headers(self.request, self.state.settings, *client_request.OF_THE_BODY)
        # The rule, and with it the deadline, is not known before the index is.
        deadline = min(self.state.rules.default_rule.deadline, self.most)
        seconds = deadline * _ABOUT_SHARE - (time.monotonic() - self.arrived)
        info = await self.state.indices.about(search, who, seconds)
        if info is None:
            return Skip(Why.MAPPING)
        rule = self.state.rules.choose(search.target, info.names)
        return Skip(rule) if isinstance(rule, Why) else (rule, info)

    async def ask(self, sent: EngineRequest, method: str = "") -> bytes | None:
        """Ask the engine in the client's name; None if it answers anything but 200 and a body of moderate size.

        The method is the client's own, unless another is named.
        """
        own = ("Content-Length", "Content-Encoding", "Accept-Encoding")
        headers = client_request.headers(self.request, self.state.settings, *own)
        if accepted := understood(", ".join(self.request.headers.getall("Accept-Encoding", ()))):
            headers["Accept-Encoding"] = accepted
        # A body of ours needs a type; that of a client is sent on with the one it has, or has not.
        if sent.body and not self.body and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        request = Request(method or self.request.method, sent.target, headers, sent.body or None, again=True)
        started = time.monotonic()
        try:
            async with self.state.upstream.open(request) as answer:
                return await self._taken(answer)
        except aiohttp.ClientError as error:
            raise UpstreamError(f"the engine broke off: {describe_error(error)}") from error
        finally:
            self.last = time.monotonic() - started
            self.engine += self.last

    async def _taken(self, answer: EngineResponse) -> bytes | None:
        """Keep the answer's headers and take its body; others may be under way at the same time."""
        self.status, self.headers, self.elasticsearch = answer.status, answer.headers, answer.elasticsearch
        said = self.headers.getall("Warning", [])
        self.warnings += [warning for warning in said if warning not in self.warnings]
        self.headers.popall("Content-Length", None)
        self.coding = coding = self.headers.pop("Content-Encoding", "")
        if answer.status != HTTPStatus.OK:
            return None
        most = self.state.settings.max_answer
        whole, _ = await limited(answer.content.iter_any(), most)
        return None if whole is None else unpacked(whole, coding, most)

    def filtered(self, body: bytes) -> bytes | None:
        """Cut a body as `filter_path` says, None if it cannot be.

        Elasticsearch spares what is empty already, OpenSearch does not.
        """
        return cut(body, paths(self.carried.params), keeps_empty=self.elasticsearch)

    def packed(self, body: bytes) -> bytes:
        """Code a body for the client as the engine coded its own."""
        if self.coding:
            self.headers["Content-Encoding"] = self.coding
        return packed(body, self.coding)
