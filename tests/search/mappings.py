"""Realistic mappings with documents: which texts the model must read first, and which fields it must not read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from es_rerank.cli.mapping_file import read
from es_rerank.model import IndexInfo, Plan, Rule
from es_rerank.search.fields.plain_text import plain_text
from es_rerank.search.plan import make
from tests.search.builders import a_search

FOLDER = Path(__file__).parent.parent / "cases" / "mappings"


@dataclass(frozen=True)
class MappingCase:
    """A kind of index.

    Attributes:
        about: What the documents are.
        query: Words that all documents contain.
        first: The fields that must be read first, in this order; `{language}` is the value of the document's field.
        never: Fields that must not be read.
        properties: The explicit mapping.
        documents: The documents.

    """

    name: str
    about: str
    query: str
    first: Sequence[str]
    never: Sequence[str]
    properties: Mapping[str, Any]
    documents: Sequence[Mapping[str, Any]]

    def start_of(self, document: Mapping[str, Any]) -> str:
        """Return the text with which the passage of a document must start."""
        names = [name.format(language=document.get("language", "")) for name in self.first]
        return "\n".join(plain_text(" ".join(values(document, name))).strip() for name in names)

    def types(self, *, dynamic: bool) -> dict[str, str]:
        """Return the field types of the explicit mapping, or those that dynamic mapping gives the strings."""
        if not dynamic:
            return read(json.dumps({"properties": self.properties}).encode())[1]
        names = {name for document in self.documents for name in leaves(document)}
        return {f"{name}{suffix}": kind for name in names for suffix, kind in (("", "text"), (".keyword", "keyword"))}


QUERIES: Mapping[str, Any] = {
    "query_string": lambda query: {"query_string": {"query": query}},
    "every field": lambda query: {"multi_match": {"query": query, "fields": ["*"]}},
}


def planned(case: MappingCase, types: Mapping[str, str], query: str = "query_string") -> Plan:
    """Return the plan of a search that names no field."""
    plan = make(a_search({"query": QUERIES[query](case.query)}), Rule("default"), IndexInfo((), types))
    assert isinstance(plan, Plan)
    return plan


def values(value: Any, path: str) -> list[str]:
    """Return the strings at a dotted path through objects and arrays."""
    if isinstance(value, list):
        return [found for one in value for found in values(one, path)]
    if not path:
        return [value] if isinstance(value, str) else []
    name, _, rest = path.partition(".")
    return values(value[name], rest) if isinstance(value, dict) and name in value else []


def leaves(value: Any, prefix: str = "") -> Iterator[str]:
    """List the dotted paths of all strings."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, prefix)
    elif isinstance(value, str):
        yield prefix


def _case(path: Path) -> MappingCase:
    return MappingCase(path.stem, **yaml.safe_load(path.read_text(encoding="utf-8")))


CASES = tuple(map(_case, sorted(FOLDER.glob("*.yaml"))))
