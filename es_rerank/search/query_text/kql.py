"""Reduces Kibana Query Language (KQL) to plain words."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from es_rerank.search.query_text.dedup import merge_texts
from es_rerank.search.query_text.lucene import IsTextField, MayParse, strip_operators, unescape
from es_rerank.search.query_text.terms import TextMeter

# A quoted phrase, a bracket or colon, a comparison, or a word in which a backslash escapes one character.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"?|[(){}:]|[<>]=?|(?:\\.|[^\s"(){}:<>\\])+')
_RELATIONS = frozenset({":", "<", "<=", ">", ">="})
_CLOSING = frozenset({")", "}"})


def kql_words(
    text: str, is_text_field: IsTextField, *, default_field_is_text: bool = True, parse: MayParse | None = None
) -> str:
    """Reduce KQL to plain words, without operators, field names, ranges and negated parts.

    Format: Kibana Query Language. Invalid KQL is not an error: it is parsed as far as possible.

    Args:
        text: The query.
        is_text_field: Returns whether a field contains text; values of other fields are dropped.
        default_field_is_text: Whether to keep words without a field name, which are searched in the default fields.
        parse: Returns whether a text may be parsed, which is slow; otherwise only its operators are removed. None uses
            the limits of one search.

    """
    if not (parse or TextMeter().parses)(text):
        return " ".join(strip_operators(text).split()) * default_field_is_text
    collector = _WordCollector(is_text_field, default_field_is_text)
    for lexeme, following in pairwise([*_TOKEN.findall(text), ""]):
        collector.read(lexeme, following)
    return merge_texts(map(" ".join, collector.texts))


class _Group(NamedTuple):
    """The state inside a pair of brackets.

    Attributes:
        negated: Whether the brackets are below a `not`.
        ignored: Whether the brackets follow a field that contains no text.

    """

    negated: bool
    ignored: bool


class _WordCollector:
    """Reads KQL token by token and collects the words of each clause in `texts`."""

    def __init__(self, is_text_field: IsTextField, default_field_is_text: bool) -> None:
        """Start outside of any brackets."""
        self.texts: list[list[str]] = [[]]
        self._is_text_field = is_text_field
        self._groups = [_Group(negated=False, ignored=not default_field_is_text)]
        self._negated = False
        self._ignored = not default_field_is_text

    def read(self, lexeme: str, following: str) -> None:
        """Process one token. *following* is the next token: before a relation such as `:`, a token is a field name."""
        word = lexeme.lower()
        if lexeme in {"(", "{"}:
            self._open_group(nested=lexeme == "{")
        elif lexeme in _CLOSING or word in {"and", "or"}:
            self._end_clause(closes_group=lexeme in _CLOSING)
        elif word == "not":
            self._negated = True
        elif following in _RELATIONS:
            self._ignored = following != ":" or not self._is_text_field(unescape(lexeme.strip('"')))
            self.texts.append([])
        elif lexeme not in _RELATIONS:
            self._add(lexeme)

    def _open_group(self, *, nested: bool) -> None:
        """Enter brackets. `{` follows the name of a nested object; its fields are checked individually."""
        outer = self._groups[-1]
        self._groups.append(_Group(outer.negated or self._negated, outer.ignored if nested else self._ignored))
        self._start_clause()

    def _end_clause(self, *, closes_group: bool) -> None:
        """End a clause and, with `)` or `}`, its group. An unmatched closing bracket is ignored."""
        if closes_group and len(self._groups) > 1:
            self._groups.pop()
        self._start_clause()

    def _start_clause(self) -> None:
        """Start a new clause, without `not` or a field name."""
        self._negated = False
        self._ignored = self._groups[-1].ignored
        self.texts.append([])

    def _add(self, lexeme: str) -> None:
        """Add a word or a phrase to the current clause, without wildcards."""
        if not (self._groups[-1].negated or self._negated or self._ignored):
            word = lexeme[1:].removesuffix('"') if lexeme.startswith('"') else lexeme.replace("*", " ")
            self.texts[-1].append(unescape(word))
