"""`es-rerank explain`: prints what would be done for a request, and why, without an engine or a model."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
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
from es_rerank.model import CallOptions, EngineReply, Failed, IndexInfo, Plan, Rule, ScoreRequest, Search, Skip, Why
from es_rerank.pipeline import Ports, decide
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS, engine_request
from es_rerank.search.formats.endpoints import EndpointRequest, ParsedSearch, decode, match, wants_other_format
from es_rerank.search.formats.parse import parse
from es_rerank.search.query_text.extract import typed_texts


@click.command()
@click.option("--method", default="POST", metavar="METHOD", help="HTTP method of the request. [default: POST]")
@click.option("--path", required=True, metavar="PATH", help="Path and query, as in '/idx/_search?size=5'.")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="File with the body; - is standard input.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="A header; may be repeated.")
@click.option("--mapping", type=click.File("rb"), metavar="FILE", help="Answer of GET /idx/_mapping.")
@click.option("--mappings", metavar="DIR", help="Folder of rules. [default: every index is reranked]")
def explain(**options: Any) -> None:
    """Print as JSON what would be done for a request: which text, which window, what the engine is asked, or why not.

    Nothing is started or asked; a mapping file stands in for the engine.
    """
    rules = Rules(settings.load({"mappings": options["mappings"]}, {}, None))
    index = _Index(rules, _mapping(options["mapping"]) if options["mapping"] else None)
    method = options["method"].upper()
    request = match(method, options["path"], dict(map(_header, options["header"])))
    body = options["body"].read() if options["body"] else b""
    parsed = parse(request, body) if request else Skip(Why.NOT_A_SEARCH)
    if request is None or isinstance(parsed, Skip):
        searches = [_skipped(parsed if isinstance(parsed, Skip) else Skip(Why.NOT_A_SEARCH))]
    else:
        searches = [_explained(request, method, one, index) for one in parsed]
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode({"searches": searches}), indent=2) + b"\n")


@dataclass(frozen=True, slots=True)
class _Index:
    """Stands in for the engine: the rules, and the index names and field types of a mapping file."""

    rules: Rules
    known: tuple[Sequence[str], Mapping[str, str]] | None

    async def resolve(self, search: Search) -> tuple[Rule, IndexInfo] | Skip:
        """Return the rule and the mapping of what a search names."""
        info = self._info(search)
        rule = self.rules.choose(search.target, info.names)
        return Skip(rule) if isinstance(rule, Why) else (rule, info)

    def _info(self, search: Search) -> IndexInfo:
        """Resolve the target in the file; without a file, every field that the query searches is taken as text."""
        if self.known is None:
            searched = [name for one in typed_texts(search, None) for name in one.fields if "*" not in name]
            return IndexInfo((), dict.fromkeys(searched or ["*"], "text"))
        names, field_types = self.known
        named = [name for name in names if any(fnmatchcase(name, part) for part in search.target.split(","))]
        return IndexInfo(tuple(named or names), field_types)


def _explained(request: EndpointRequest, method: str, parsed: ParsedSearch, index: _Index) -> dict[str, Any]:
    """Explain one search of a request."""
    rendered = render(parsed.template) if parsed.template is not None else None
    search = decode(request, parsed, rendered)
    if isinstance(search, Skip):
        return _skipped(search)
    row = ENGINE_REQUESTS[request.endpoint]
    plan = asyncio.run(decide(search, _ports(index), CallOptions(two_phase=row.two_phase)))
    if isinstance(plan, Skip):
        return _skipped(plan)
    if wants_other_format(request):
        return _skipped(Skip(Why.FORMAT), plan.text)
    return _planned(request, method, search, plan, parsed.header)


def _skipped(skip: Skip, text: str | None = None) -> dict[str, Any]:
    """Explain a search that is skipped; *text* would be reranked in a JSON response."""
    return {
        "decision": "skip",
        "why": skip.why,
        "query_text": text,
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
        upstream["header"] = Raw(header)
    return {
        "decision": "plan",
        "why": None,
        "query_text": plan.text,
        "window": plan.window,
        "page": [plan.start, plan.size],
        "passage_fields": plan.passage_fields,
        "upstream": upstream,
    }


def _ports(index: _Index) -> Ports:
    """Return ports without an engine or a model."""

    async def fetch(_plan: Plan) -> EngineReply:
        return EngineReply()

    async def score(_request: ScoreRequest) -> Failed:
        return Failed(Why.UNREACHABLE)

    return Ports(index.resolve, fetch, score)


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
