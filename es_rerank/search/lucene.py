"""Query string syntaxes, reduced to the words that a person would say."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stderr
from decimal import InvalidOperation

from luqum.exceptions import ParseError
from luqum.tree import (
    From,
    Fuzzy,
    Item,
    Not,
    Phrase,
    Prohibit,
    Proximity,
    Range,
    Regex,
    SearchField,
    To,
    Word,
)

with redirect_stderr(io.StringIO()):
    # Where luqum cannot keep its tables, the parser generator warns of its grammar at every start.
    from luqum.parser import parser

Heard = Callable[[str], bool]
"""Tells whether a field holds text that a person would search in words."""

_SKIPPED = (Not, Prohibit, Range, Regex, From, To)
# luqum takes a millisecond for twenty words, and the event loop waits: what is longer was not typed by a person.
_MOST_PARSED = 2000
_WILDCARDS = re.compile(r"[*?]+")
_ESCAPE = re.compile(r"\\(.)")
_LONE = frozenset({"&&", "||", "!", "+", "-"})
_OPERATOR = re.compile(r"\b(?:AND|OR|NOT|TO)\b|&&|\|\||[+!(){}\[\]^\"~*?:\\/<>=|]")
_NEGATED = re.compile(r'(?:^|(?<=[\s(]))-(?:"[^"]*"?|\([^)]*\)?|\S+)')
_SIMPLE = re.compile(r"~\d*|(?<!\\)[+|\"()*]")


def lucene_words(text: str, heard: Heard) -> str:
    """Reduce a `query_string` to its words: without operators, field names, boosts, ranges and negated parts.

    Format: Lucene's classic query parser syntax, read by luqum. What luqum cannot parse is stripped of operators.
    """
    try:
        spoken = _spoken(parser.parse(text), heard) if len(text) <= _MOST_PARSED else _stripped(text)
    except (ParseError, ValueError, InvalidOperation, RecursionError):
        spoken = _stripped(text)
    return " ".join(word for word in spoken.split() if word not in _LONE)


def simple_words(text: str) -> str:
    """Reduce a `simple_query_string` to its words. Its operators are + | - " * ( ) ~N."""
    return " ".join(_ESCAPE.sub(r"\1", _SIMPLE.sub(" ", _NEGATED.sub(" ", text))).split())


def _stripped(text: str) -> str:
    """Take everything out that looks like an operator."""
    return _OPERATOR.sub(" ", _NEGATED.sub(" ", text))


def _spoken(node: Item, heard: Heard) -> str:
    """Collect the words below one node of the syntax tree."""
    if isinstance(node, _SKIPPED):
        return ""
    if isinstance(node, SearchField) and not heard(node.name):
        return ""
    if isinstance(node, Phrase):
        return _ESCAPE.sub(r"\1", node.value[1:-1])
    if isinstance(node, Word):
        return _word(node.value)
    if isinstance(node, Fuzzy | Proximity):
        return _spoken(node.term, heard)
    return " ".join(_spoken(child, heard) for child in node.children)


def _word(value: str) -> str:
    """Unescape one word and drop its wildcards; a lone `*` says nothing."""
    return _ESCAPE.sub(r"\1", _WILDCARDS.sub(" ", value))
