"""`es-rerank explain`: show whether and how a request would be reranked, offline or by a running es-rerank."""

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

from es_rerank.cli import explain_table, mapping_file, mustache
from es_rerank.cli.options import EXISTING_FILE, parse_header
from es_rerank.config import loading
from es_rerank.config.rules import Rules
from es_rerank.errors import ConfigError, EsRerankError
from es_rerank.jsonspan import decode_repaired
from es_rerank.model import CallOptions, EngineReply, Failed, IndexInfo, Plan, Rule, ScoreRequest, Search, Skip, Why
from es_rerank.pipeline import Ports, decide
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS
from es_rerank.search.formats.decode import decode, wants_other_format
from es_rerank.search.formats.endpoints import EndpointRequest, ParsedSearch, match
from es_rerank.search.formats.parse import parse
from es_rerank.search.query_text.extract import typed_texts
from es_rerank.server.admin.explanation import entry, planned, skipped

_NOT_RENDERED = "rendered by the engine; install es-rerank[templates] to render inline templates offline"


@click.command()
@click.option("--method", default="POST", metavar="METHOD", help="HTTP method of the request. [default: POST]")
@click.option("--path", required=True, metavar="PATH", help="Path and query string, such as '/idx/_search?size=5'.")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="File with the request body; - for standard input.")
@click.option("--header", "-H", multiple=True, metavar="NAME:VALUE", help="Request header; can be repeated.")
@click.option("--mapping", type=click.File("rb"), metavar="FILE", help="File with the response of GET /idx/_mapping.")
@click.option("--mappings", metavar="DIR", help="Folder of rules. [default: none, every index is reranked]")
@click.option("--endpoint", metavar="URL", help="URL of the admin pages of a running es-rerank, or of an engine.")
@click.option("--run", is_flag=True, help="Run the search, and show both orders and the passages. Needs --endpoint.")
@click.option("--force", is_flag=True, help="Rerank even if the mode of the rule is off, sample or shadow.")
@click.option("--config", type=EXISTING_FILE, metavar="FILE", help="YAML file of settings, if --endpoint is an engine.")
@click.option("--ca", type=EXISTING_FILE, metavar="FILE", help="PEM file of the CA certificates to trust.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    help="Output format. [default: table with --endpoint on a terminal, json otherwise]",
)
def explain(**options: Any) -> None:
    """Show whether and how a request would be reranked.

    The output is JSON, with one object for each search of the request. For a search that would be reranked, it has the
    query text, the window, the page and the request to the engine. For any other search, it has the reason and what to
    do. No connection is opened; the mapping comes from a file.

    With --endpoint, a running es-rerank explains the request with its own rules and with the mapping of its engine.
    --run also runs the search, and shows the hits in both orders, why each field is read or not, and the passages. If
    the URL is that of an engine, es-rerank is started in front of it, with the settings that `serve` would use.
    """
    if not options["path"].startswith("/"):
        raise EsRerankError("--path: must start with a slash, such as '/idx/_search?size=5'")
    if options["endpoint"]:
        searches = _online(options)
    elif options["run"] or options["force"]:
        raise EsRerankError("--run and --force need --endpoint, the URL of a running es-rerank or of an engine")
    else:
        searches = _offline(options)
    shown = options["output"] or ("table" if options["endpoint"] and sys.stdout.isatty() else "json")
    if shown == "table":
        click.echo("\n".join(explain_table.lines(searches)))
        return
    text, _ = decode_repaired(msgspec.json.encode({"searches": searches}), msgspec.Raw)
    sys.stdout.buffer.write(msgspec.json.format(text, indent=2) + b"\n")


def _offline(options: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the explanation of each search of a request, without a connection."""
    rules = Rules(loading.load({"mappings": options["mappings"]}, {}, None))
    resolver = _Resolver(rules, _mapping(options["mapping"]) if options["mapping"] else None)
    method = options["method"].upper()
    request = match(method, options["path"], dict(map(parse_header, options["header"])))
    body = options["body"].read() if options["body"] else b""
    parsed = parse(request, body) if request else Skip(Why.NOT_A_SEARCH)
    if request is None or isinstance(parsed, Skip):
        return [skipped(parsed if isinstance(parsed, Skip) else Skip(Why.NOT_A_SEARCH))]
    return [_explained(request, method, one, resolver) for one in parsed]


def _online(options: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the explanation of each search of a request, from the es-rerank or the engine at `--endpoint`."""
    # Imported here, because these modules import the server and the log library, which the offline form does not need.
    from es_rerank.cli.admin_client import AdminPages  # noqa: PLC0415
    from es_rerank.cli.explain_endpoint import explain_request  # noqa: PLC0415
    from es_rerank.cli.logs import configure  # noqa: PLC0415

    if options["mapping"]:
        raise EsRerankError("--mapping cannot be used with --endpoint: the mapping is requested from the engine")
    headers = dict(map(parse_header, options["header"]))
    configure("error")
    body = options["body"].read().decode("utf-8", "replace") if options["body"] else None
    question = {
        "method": options["method"].upper(),
        "path": options["path"],
        "headers": headers,
        "body": body,
        "run": options["run"],
        "force": options["force"],
    }
    pages = AdminPages(options["endpoint"].rstrip("/"), headers, options["ca"])
    return asyncio.run(explain_request(pages, question, config=options["config"], mappings=options["mappings"]))


@dataclass(frozen=True, slots=True)
class _Resolver:
    """Finds the rule and the field types of a search in files, without requests to the engine.

    Attributes:
        rules: The rules of which one is chosen for a search.
        mapping: Index names and field types in the mapping file; None if there is no mapping file.

    """

    rules: Rules
    mapping: tuple[Sequence[str], Mapping[str, str]] | None

    async def __call__(self, search: Search) -> tuple[Rule, IndexInfo] | Skip:
        """Return the rule and the field types for the indices of a search, or the reason if no rule applies."""
        info = self._info(search)
        rule = self.rules.choose(search.target, info.names)
        return Skip(rule) if isinstance(rule, Why) else (rule, info)

    def _info(self, search: Search) -> IndexInfo:
        """Return the indices and fields in the mapping file. Without a file, all searched fields are text fields."""
        if self.mapping is None:
            searched = [name for text in typed_texts(search, None) for name in text.fields if "*" not in name]
            return IndexInfo((), dict.fromkeys(searched or ["*"], "text"))
        names, field_types = self.mapping
        patterns = search.target.split(",")
        matching = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
        return IndexInfo(tuple(matching or names), field_types)


def _explained(request: EndpointRequest, method: str, parsed: ParsedSearch, resolver: _Resolver) -> dict[str, Any]:
    """Return the explanation of one search of a request."""
    if parsed.template is not None and not mustache.can_render():
        return entry("unknown", note=_NOT_RENDERED)
    search = decode(request, parsed, mustache.render(parsed.template) if parsed.template is not None else None)
    if isinstance(search, Skip):
        return skipped(search)
    options = CallOptions(two_phase=ENGINE_REQUESTS[request.endpoint].two_phase)
    plan = asyncio.run(decide(search, _ports(resolver), options))
    if isinstance(plan, Skip):
        return skipped(plan)
    if wants_other_format(request):
        # Show the query text, which would be reranked if the response format were JSON.
        return skipped(Skip(Why.FORMAT), plan.text)
    return planned(request, method, search, plan, parsed.header)


def _ports(resolver: _Resolver) -> Ports:
    """Return I/O functions for the pipeline that connect to no engine and no rerank server."""

    async def no_hits(_plan: Plan) -> EngineReply:
        return EngineReply()

    async def no_scores(_request: ScoreRequest) -> Failed:
        return Failed(Why.UNREACHABLE)

    return Ports(resolver, no_hits, no_scores)


def _mapping(file: Any) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the index names and field types in a mapping file. If the file is invalid, the ConfigError names it."""
    try:
        return mapping_file.read(file.read())
    except ConfigError as error:
        raise ConfigError(f"{Path(file.name)}: {error}") from error
