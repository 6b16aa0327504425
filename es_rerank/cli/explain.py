"""`es-rerank explain`: say what would be done for a request, and why, without an engine or a model."""

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

from es_rerank.cli import mapping_file
from es_rerank.cli.mustache import render
from es_rerank.config import settings
from es_rerank.config.rules import Rules
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.model import Failed, IndexInfo, Plan, Rule, ScoreRequest, Search, Skip, Why
from es_rerank.pipeline import Effects, decide
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, engine_request
from es_rerank.search.formats import endpoints, multi_search, rank_eval, search_template
from es_rerank.search.formats.endpoints import EndpointRequest
from es_rerank.search.query_text.extract import typed_texts

_TEMPLATE = "/template"


@dataclass(frozen=True, slots=True)
class Item:
    """One search of a request; `header` is its line in an `_msearch`."""

    found: Search | Skip
    header: bytes | None = None


@click.command()
@click.option("--method", default="POST", metavar="METHOD", help="HTTP method of the request. [default: POST]")
@click.option("--path", required=True, metavar="PATH", help="Path and query, as in '/idx/_search?size=5'.")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="File with the body; - is standard input.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="A header; may be repeated.")
@click.option("--mapping", type=click.File("rb"), metavar="FILE", help="Answer of GET /idx/_mapping.")
@click.option("--mappings", metavar="DIR", help="Folder of rules. [default: every index is reranked]")
def explain(**asked: Any) -> None:
    """Print as JSON what would be done for a request: which text, which window, what the engine is asked, or why not.

    Nothing is started or asked; a mapping file stands in for the engine.
    """
    rules = Rules(settings.load({"mappings": asked["mappings"]}, {}, None))
    about = _About(rules, _mapping(asked["mapping"]) if asked["mapping"] else None)
    method = asked["method"].upper()
    request = endpoints.match(method, asked["path"], dict(map(_header, asked["header"])))
    body = asked["body"].read() if asked["body"] else b""
    found = _items(request, body) if request else [Item(Skip(Why.NOT_A_SEARCH))]
    searches = [_explained(request, method, item, about) for item in found]
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode({"searches": searches}), indent=2) + b"\n")


@dataclass(frozen=True, slots=True)
class _About:
    """Stands in for the engine: rules, and the mapping of a file."""

    rules: Rules
    known: tuple[Sequence[str], Mapping[str, str]] | None

    async def __call__(self, search: Search) -> tuple[Rule, IndexInfo] | Skip:
        """Find rule and mapping of what a search names."""
        info = self.info(search)
        rule = self.rules.choose(search.target, info.names)
        return Skip(rule) if isinstance(rule, Why) else (rule, info)

    def info(self, search: Search) -> IndexInfo:
        """Resolve the target in the file; without a file, what the query searches is taken for text."""
        if self.known is None:
            searched = [name for one in typed_texts(search, None) for name in one.fields if "*" not in name]
            return IndexInfo((), dict.fromkeys(searched or ["*"], "text"))
        names, field_types = self.known
        named = [name for name in names if any(fnmatchcase(name, part) for part in search.target.split(","))]
        return IndexInfo(tuple(named or names), field_types)


def _single(request: EndpointRequest, body: bytes) -> list[Item]:
    """Read a request that is one search."""
    return [Item(endpoints.read(request, body))]


def _template(request: EndpointRequest, body: bytes) -> list[Item]:
    """Read a template."""
    raw = endpoints.content(request, body)
    return [Item(_rendered(request, request.target, search_template.said(request.params), raw))]


def _lines(request: EndpointRequest, body: bytes) -> list[Item]:
    """Read the lines of many searches or templates."""
    search = _rendered if request.endpoint.endswith(_TEMPLATE) else endpoints.search
    items = multi_search.read(body, request.target) or ()
    searches = [
        (item, search(request, item.target, multi_search.options(item, request.params), item.body)) for item in items
    ]
    found = [Item(found, item.header) for item, found in searches]
    return found or [Item(Skip(Why.UNREADABLE))]


def _evaluated(request: EndpointRequest, body: bytes) -> list[Item]:
    """Read the requests of an evaluation."""
    requests = rank_eval.read(endpoints.content(request, body)) or ()
    found = [Item(_request(request, rated)) for rated in requests]
    return found or [Item(Skip(Why.UNREADABLE))]


def _request(request: EndpointRequest, rated: rank_eval.Request) -> Search | Skip:
    """Read one request of an evaluation, which looks at the first hits."""
    params = {**request.params, "size": str(rated.size)}
    if rated.template is not None:
        return _rendered(request, request.target, params, rated.template)
    return endpoints.search(request, request.target, params, rated.body)


def _rendered(request: EndpointRequest, target: str, params: Mapping[str, str], raw: bytes) -> Search | Skip:
    """Read what a template renders to."""
    body = render(raw)
    return Skip(Why.UNREADABLE) if body is None else endpoints.search(request, target, params, body)


_READERS: Mapping[str, Callable[[EndpointRequest, bytes], list[Item]]] = {
    "_search": _single,
    "_search/template": _template,
    "_msearch": _lines,
    "_msearch/template": _lines,
    "_async_search": _single,
    "_rank_eval": _evaluated,
}


def _items(request: EndpointRequest, body: bytes) -> list[Item]:
    """List the searches of a request."""
    reader = _READERS.get(request.endpoint)
    return reader(request, body) if reader else [Item(Skip(Why.NOT_A_SEARCH))]


def _explained(request: EndpointRequest | None, method: str, item: Item, about: _About) -> dict[str, Any]:
    """Explain one search."""
    found = item.found
    splits = request is not None and request.endpoint in ENGINE_REQUESTS and ENGINE_REQUESTS[request.endpoint].splits
    plan = found if isinstance(found, Skip) else asyncio.run(decide(found, _effects(about, splits=splits)))
    if isinstance(plan, Plan) and request and not endpoints.other_answer(request) and isinstance(found, Search):
        return _planned(request, method, found, plan, item.header)
    why = plan.why if isinstance(plan, Skip) else Why.FORMAT
    return {
        "decision": "skip",
        "why": why,
        # Words that would be reranked in an answer of JSON.
        "query_text": plan.text if isinstance(plan, Plan) else None,
        "window": 0,
        "page": None,
        "passage_fields": [],
        "upstream": None,
    }


def _planned(request: EndpointRequest, method: str, search: Search, plan: Plan, header: bytes | None) -> dict[str, Any]:
    """Explain a search that is planned."""
    asked = engine_request(request, search, plan)
    upstream = {"method": method, "path": asked.target, "body": Raw(asked.body) if asked.body else None}
    if header is not None:
        upstream["header"] = Raw(header or b"{}")
    return {
        "decision": "plan",
        "why": None,
        "query_text": plan.text,
        "window": plan.window,
        "page": [plan.start, plan.size],
        "passage_fields": plan.passage_fields,
        "upstream": upstream,
    }


def _effects(about: _About, *, splits: bool) -> Effects:
    """Make effects without an outside world."""

    async def nothing(_plan: Plan) -> bytes | None:
        return None

    async def silence(_ask: ScoreRequest) -> Failed:
        return Failed(Why.UNREACHABLE)

    return Effects(about, nothing, silence, lambda rule: rule.deadline, splits)


def _header(text: str) -> tuple[str, str]:
    """Read `Name: value`. Raises EsRerankError for anything else."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise EsRerankError("--header: write it as NAME:VALUE")
    return name.strip().title(), value.strip()


def _mapping(file: Any) -> tuple[Sequence[str], Mapping[str, str]]:
    """Read the mapping file. Raises EsRerankError naming it."""
    try:
        return mapping_file.read(file.read())
    except ConfigError as error:
        raise ConfigError(f"{Path(file.name)}: {error}") from error
