"""Kibana's query language, reduced to the words that a person would say."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from es_rerank.search.query_text.dedup import join_distinct
from es_rerank.search.query_text.lucene import MOST_PARSED, IsTextField, stripped, unescaped

_PART = re.compile(r'"(?:\\.|[^"\\])*"?|[(){}:]|[<>]=?|(?:\\.|[^\s"(){}:<>\\])+')
_RELATIONS = frozenset({":", "<", "<=", ">", ">="})
_CLOSING = frozenset({")", "}"})


def kql_words(text: str, is_text_field: IsTextField, *, unscoped: bool = True, parses: bool = True) -> str:
    """Reduce KQL to its words: without operators, field names, ranges and negated parts. Raises nothing.

    `unscoped`: whether words without a field name count, which depends on the default fields. A long text, or one that
    must not be parsed, is stripped of its operators.
    """
    if not parses or len(text) > MOST_PARSED:
        return " ".join(stripped(text).split()) * unscoped
    reader = _Reader(is_text_field, unscoped)
    for part, after in pairwise([*_PART.findall(text), ""]):
        reader.read(part, after)
    return join_distinct(map(" ".join, reader.texts))


class _Reader:
    """Reads token by token. A group is `(denied, quiet)`: below a `not`, and of a field that holds no words."""

    def __init__(self, is_text_field: Callable[[str], bool], unscoped: bool) -> None:
        """Start outside of all groups."""
        self.texts: list[list[str]] = [[]]
        self._heard = is_text_field
        self._groups = [(False, not unscoped)]
        self._denied = False
        self._quiet = not unscoped

    def read(self, part: str, after: str) -> None:
        """Read one token; *after* is the next one."""
        word = part.lower()
        if part in {"(", "{"}:
            self._open(nested=part == "{")
        elif part in _CLOSING or word in {"and", "or"}:
            self._end(closes=part in _CLOSING)
        elif word == "not":
            self._denied = True
        elif after in _RELATIONS:
            self._quiet = after != ":" or not self._heard(unescaped(part.strip('"')))
            self.texts.append([])
        elif part not in _RELATIONS:
            self._say(part)

    def _open(self, *, nested: bool) -> None:
        """Enter a group; a nested object's own name says nothing of the fields in it."""
        denied, quiet = self._groups[-1]
        self._groups.append((denied or self._denied, quiet if nested else self._quiet))
        self._next()

    def _end(self, *, closes: bool) -> None:
        """Leave a part, and its group with it."""
        if closes and len(self._groups) > 1:
            self._groups.pop()
        self._next()

    def _next(self) -> None:
        """Begin a part: nothing denied, no field named."""
        self._denied = False
        self._quiet = self._groups[-1][1]
        self.texts.append([])

    def _say(self, part: str) -> None:
        """Take a word or a phrase, without wildcards."""
        if not (self._groups[-1][0] or self._denied or self._quiet):
            word = part[1:].removesuffix('"') if part.startswith('"') else part.replace("*", " ")
            self.texts[-1].append(unescaped(word))
