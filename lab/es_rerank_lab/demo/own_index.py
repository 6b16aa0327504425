"""The demo with an index of the user: prints the engine's order and the reranked order of each query."""

from __future__ import annotations

import base64
import json
import ssl
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from es_rerank.errors import EsRerankError
from es_rerank_lab.demo.client import Access

_SHOWN_HITS = 5
_TIMEOUT_SECONDS = 60
_MAX_TITLE_CHARACTERS = 100
# Names of fields that usually have the title of a document. If there is none, the first text is shown.
_TITLES = ("title", "name", "headline", "subject", "heading", "question")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one search.

    Attributes:
        hits: The id and the title of each hit.
        outcome: The header `X-Rerank`; empty for a search without es-rerank.

    """

    hits: Sequence[tuple[str, str]]
    outcome: str


def show(console: Console, direct: Access, through: Access, index: str, queries: Iterable[str]) -> None:
    """Print the first hits of each query, in the engine's order and reranked."""
    for query in queries:
        before, after = search(direct, index, query), search(through, index, query)
        ranks = {id_: rank for rank, (id_, _) in enumerate(before.hits, 1)}
        table = Table(expand=True)
        table.add_column("", width=1)
        table.add_column(f"engine, top {_SHOWN_HITS}", ratio=1, overflow="ellipsis", no_wrap=True)
        table.add_column(f"reranked, top {_SHOWN_HITS} (engine's rank)", ratio=1, overflow="ellipsis", no_wrap=True)
        for rank in range(_SHOWN_HITS):
            left = escape(before.hits[rank][1]) if rank < len(before.hits) else ""
            right = _moved(after.hits[rank], ranks) if rank < len(after.hits) else ""
            table.add_row(str(rank + 1), left, right)
        console.print()
        console.print(f"[bold]{escape(query)}[/bold]", highlight=False)
        console.print(table)
        console.print(f"  X-Rerank: {escape(after.outcome)}", style="dim", highlight=False)


def typed(console: Console) -> Iterator[str]:
    """Yield the lines that the user types, until the end of the input."""
    while True:
        try:
            line = console.input("\n[bold]query>[/bold] ") if sys.stdin.isatty() else input()
        except EOFError:
            return
        if line.strip():
            yield line.strip()


def search(access: Access, index: str, text: str) -> Result:
    """Search all fields of an index for *text*. Raises EsRerankError if the search fails.

    The request is the same with and without es-rerank. It asks for 50 hits, more than are shown.
    """
    query = {"multi_match": {"query": text, "fields": ["*"], "lenient": True}}
    headers = {"Content-Type": "application/json"}
    if access.username:
        login = base64.b64encode(f"{access.username}:{access.password or ''}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    request = urllib.request.Request(  # noqa: S310 - the URL of the user's engine
        f"{access.url}/{index}/_search", json.dumps({"query": query, "size": 50}).encode(), headers
    )
    trusted = ssl.create_default_context(cafile=access.ca) if access.url.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=trusted) as response:  # noqa: S310
            answer, outcome = json.load(response), response.headers.get("X-Rerank", "")
    except HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            raise EsRerankError(f"{access.url} has no index {index}: check --index") from error
        raise EsRerankError(f"the search of {index} failed: HTTP {error.code}: {error.read(300).decode()}") from error
    except (OSError, ValueError) as error:
        raise EsRerankError(f"the search of {index} failed: {error}") from error
    return Result([(hit["_id"], title(hit.get("_source") or {})) for hit in answer["hits"]["hits"]], outcome)


def title(source: Mapping[str, Any]) -> str:
    """Return the title of a document or, if it has none, the start of its first text."""
    texts = {name: value for name, value in source.items() if isinstance(value, str) and value}
    chosen = next((texts[name] for name in _TITLES if name in texts), next(iter(texts.values()), "(no text)"))
    return " ".join(chosen[:_MAX_TITLE_CHARACTERS].split())


def _moved(hit: tuple[str, str], ranks: Mapping[str, int]) -> str:
    """Return the table cell of a reranked hit, with the hit's rank in the engine's order."""
    return f"{escape(hit[1])} [dim]({ranks.get(hit[0], '>50')})[/dim]"
