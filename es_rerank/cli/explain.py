"""`es-rerank explain`: show what the endpoint would do with a request, without an engine or a model."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Raw

from es_rerank.cli import mapping_file, mustache
from es_rerank.config import settings
from es_rerank.config.rules import Rules
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.model import Failed, IndexInfo, Plan, Rule, ScoreRequest, Search, Skip, Why
from es_rerank.pipeline import Effects, decide
from es_rerank.reasons import REASONS
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, engine_request
from es_rerank.search.formats import endpoints, multi_search, rank_eval, search_template
from es_rerank.search.formats.endpoints import EndpointRequest
from es_rerank.search.query_text.extract import typed_texts

_TEMPLATE = "/template"
_NOT_RENDERED = "rendered by the engine; install es-rerank[templates] to render inline templates offline"


@dataclass(frozen=True, slots=True)
class Unrendered:
    """A search template that cannot be rendered here."""


Parsed = Search | Skip | Unrendered


@dataclass(frozen=True, slots=True)
class Item:
    """One search of a request; `header` is its header line in an `_msearch` body."""

    parsed: Parsed
    header: bytes | None = None


@click.command()
@click.option("--method", default="POST", metavar="METHOD", help="HTTP method of the request. [default: POST]")
@click.option("--path", required=True, metavar="PATH", help="Path and query string, such as '/idx/_search?size=5'.")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="File with the request body; - for standard input.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="Request header; can be repeated.")
@click.option("--mapping", type=click.File("rb"), metavar="FILE", help="File with the response of GET /idx/_mapping.")
@click.option("--mappings", metavar="DIR", help="Folder of rules. [default: none, every index is reranked]")
def explain(**options: Any) -> None:
    """Show whether and how a request would be reranked.

    The output is JSON: for each search of the request its query text, window, page and engine request, or the reason
    why it is not reranked and what to do about it. No connection is opened; the mapping comes from a file.
    """
    rules = Rules(settings.load({"mappings": options["mappings"]}, {}, None))
    resolver = _Resolver(rules, _mapping(options["mapping"]) if options["mapping"] else None)
    method = options["method"].upper()
    request = endpoints.match(method, options["path"], dict(map(_header, options["header"])))
    body = options["body"].read() if options["body"] else b""
    items = _items(request, body) if request else [Item(Skip(Why.NOT_A_SEARCH))]
    searches = [_explained(request, method, item, resolver) for item in items]
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode({"searches": searches}), indent=2) + b"\n")


@dataclass(frozen=True, slots=True)
class _Resolver:
    """Resolves the rule and the mapping of a search: from files, instead of the engine."""

    rules: Rules
    mapping: tuple[Sequence[str], Mapping[str, str]] | None

    async def __call__(self, search: Search) -> tuple[Rule, IndexInfo] | Skip:
        """Return rule and mapping for the indices of a search."""
        info = self._info(search)
        rule = self.rules.choose(search.target, info.names)
        return Skip(rule) if isinstance(rule, Why) else (rule, info)

    def _info(self, search: Search) -> IndexInfo:
        """Return the indices and fields in the mapping file; without one, all searched fields count as text."""
        if self.mapping is None:
            searched = [name for text in typed_texts(search, None) for name in text.fields if "*" not in name]
            return IndexInfo((), dict.fromkeys(searched or ["*"], "text"))
        names, field_types = self.mapping
        patterns = search.target.split(",")
        matching = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
        return IndexInfo(tuple(matching or names), field_types)


def _single(request: EndpointRequest, body: bytes) -> list[Item]:
    """Parse a request with one search."""
    return [Item(endpoints.read(request, body))]


def _template(request: EndpointRequest, body: bytes) -> list[Item]:
    """Parse a search template."""
    raw = endpoints.content(request, body)
    return [Item(_rendered(request, request.target, search_template.said(request.params), raw))]


def _lines(request: EndpointRequest, body: bytes) -> list[Item]:
    """Parse the lines of a multi search, with or without templates."""
    parse: Callable[..., Parsed] = _rendered if request.endpoint.endswith(_TEMPLATE) else endpoints.search
    lines = multi_search.read(body, request.target) or ()
    items = [
        Item(parse(request, line.target, multi_search.options(line, request.params), line.body), line.header)
        for line in lines
    ]
    return items or [Item(Skip(Why.UNREADABLE))]


def _evaluated(request: EndpointRequest, body: bytes) -> list[Item]:
    """Parse the requests of a ranking evaluation."""
    requests = rank_eval.read(endpoints.content(request, body)) or ()
    items = [Item(_rated(request, rated)) for rated in requests]
    return items or [Item(Skip(Why.UNREADABLE))]


def _rated(request: EndpointRequest, rated: rank_eval.Request) -> Parsed:
    """Parse one request of a ranking evaluation; its page is the hits that the metric rates."""
    params = {**request.params, "size": str(rated.size)}
    if rated.template is not None:
        return _rendered(request, request.target, params, rated.template)
    return endpoints.search(request, request.target, params, rated.body)


def _rendered(request: EndpointRequest, target: str, params: Mapping[str, str], raw: bytes) -> Parsed:
    """Render a template and parse the search body."""
    if not mustache.can_render():
        return Unrendered()
    body = mustache.render(raw)
    return Skip(Why.UNREADABLE) if body is None else endpoints.search(request, target, params, body)


_PARSERS: Mapping[str, Callable[[EndpointRequest, bytes], list[Item]]] = {
    "_search": _single,
    "_search/template": _template,
    "_msearch": _lines,
    "_msearch/template": _lines,
    "_async_search": _single,
    "_rank_eval": _evaluated,
}


def _items(request: EndpointRequest, body: bytes) -> list[Item]:
    """Return the searches of a request."""
    parser = _PARSERS.get(request.endpoint)
    return parser(request, body) if parser else [Item(Skip(Why.NOT_A_SEARCH))]


def _explained(request: EndpointRequest | None, method: str, item: Item, resolver: _Resolver) -> dict[str, Any]:
    """Explain one search."""
    search = item.parsed
    if isinstance(search, Unrendered):
        return _entry("unknown", note=_NOT_RENDERED)
    splits = request is not None and request.endpoint in ENGINE_REQUESTS and ENGINE_REQUESTS[request.endpoint].splits
    plan = search if isinstance(search, Skip) else asyncio.run(decide(search, _effects(resolver, splits=splits)))
    if isinstance(plan, Plan) and request and not endpoints.other_answer(request) and isinstance(search, Search):
        return _planned(request, method, search, plan, item.header)
    why = plan.why if isinstance(plan, Skip) else Why.FORMAT
    # A response format other than JSON: the text is what would be reranked in JSON.
    text = plan.text if isinstance(plan, Plan) else None
    return _entry("skip", why=why, means=REASONS[why].means, do=REASONS[why].do, query_text=text)


def _planned(request: EndpointRequest, method: str, search: Search, plan: Plan, header: bytes | None) -> dict[str, Any]:
    """Explain a search that is planned."""
    sent = engine_request(request, search, plan)
    upstream = {"method": method, "path": sent.target, "body": Raw(sent.body) if sent.body else None}
    if header is not None:
        upstream["header"] = Raw(header or b"{}")
    return _entry(
        "plan",
        query_text=plan.text,
        window=plan.window,
        page=[plan.start, plan.size],
        passage_fields=plan.passage_fields,
        upstream=upstream,
    )


def _entry(decision: str, **members: Any) -> dict[str, Any]:
    """Return the JSON object of one search, with all members in a fixed order."""
    return {
        "decision": decision,
        "why": None,
        "means": None,
        "do": None,
        "note": None,
        "query_text": None,
        "window": 0,
        "page": None,
        "passage_fields": [],
        "upstream": None,
        **members,
    }


def _effects(resolver: _Resolver, *, splits: bool) -> Effects:
    """Return effects that never reach an engine or a model."""

    async def no_hits(_plan: Plan) -> bytes | None:
        return None

    async def no_scores(_request: ScoreRequest) -> Failed:
        return Failed(Why.UNREACHABLE)

    return Effects(resolver, no_hits, no_scores, lambda rule: rule.deadline, splits)


def _header(text: str) -> tuple[str, str]:
    """Parse `Name: value`. Raises EsRerankError for any other form, without quoting it: it can hold credentials."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise EsRerankError("--header: use the form NAME:VALUE")
    return name.strip().title(), value.strip()


def _mapping(file: Any) -> tuple[Sequence[str], Mapping[str, str]]:
    """Read the mapping file. Raises ConfigError, which names the file."""
    try:
        return mapping_file.read(file.read())
    except ConfigError as error:
        raise ConfigError(f"{Path(file.name)}: {error}") from error
