"""The bundled corpus: documents in ten languages and queries with relevance judgments, written for this project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

import msgspec

from es_rerank.errors import EsRerankError


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One document. `id` is unique across languages."""

    id: str
    lang: str
    title: str
    body: str


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One query with relevance judgments.

    Attributes:
        relevant: Grade of each relevant document by its ID: 2 if it answers the query, 1 if it is related.
        trap: The reason why BM25 gives a bad ranking for this query.
        scenario: Title of the query, if the demo prints its hits.

    """

    id: str
    lang: str
    text: str
    relevant: Mapping[str, int]
    trap: str = ""
    scenario: str | None = None


Row = TypeVar("Row", Document, Query)


@dataclass(frozen=True, slots=True)
class Corpus:
    """All documents and queries."""

    documents: tuple[Document, ...]
    queries: tuple[Query, ...]

    @property
    def scenarios(self) -> tuple[Query, ...]:
        """The queries whose hits are printed."""
        return tuple(query for query in self.queries if query.scenario)


def load() -> Corpus:
    """Read the corpus. Raises EsRerankError, which names the file and line, if it is invalid."""
    folder = files(__package__)
    long = (_long(file) for file in _sorted(folder / "documents" / "long", ".md"))
    documents = (*_rows(folder / "documents", Document), *long)
    queries = tuple(_rows(folder / "queries", Query))
    known = {document.id for document in documents}
    if len(known) < len(documents) or len({query.id for query in queries}) < len(queries):
        raise EsRerankError("the corpus contains a duplicate id")
    for query in queries:
        if not set(query.relevant) <= known:
            raise EsRerankError(f"query {query.id} has a judgment of a document that is not in the corpus")
    return Corpus(documents, queries)


def _rows(folder: Traversable, kind: type[Row]) -> Iterator[Row]:
    """Read all rows of the JSONL files in a folder."""
    for file in _sorted(folder, ".jsonl"):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                yield msgspec.json.decode(line, type=kind)
            except msgspec.MsgspecError as error:
                raise EsRerankError(f"{file.name}:{number}: {error}") from error


def _long(file: Traversable) -> Document:
    """Read a long document from a Markdown file whose first line is the title."""
    title, _, body = file.read_text(encoding="utf-8").partition("\n")
    return Document(file.name.removesuffix(".md"), "en", title.removeprefix("# ").strip(), body.strip())


def _sorted(folder: Traversable, suffix: str) -> list[Traversable]:
    """Return the files with this suffix, sorted by name."""
    return sorted((file for file in folder.iterdir() if file.name.endswith(suffix)), key=lambda file: file.name)
