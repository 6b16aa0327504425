"""Query string syntaxes, reduced to the words that a person would say."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from decimal import InvalidOperation
from functools import lru_cache

from luqum.exceptions import ParseError
from luqum.tree import (
    BaseApprox,
    Boost,
    From,
    Item,
    Not,
    Phrase,
    Plus,
    Prohibit,
    Range,
    Regex,
    SearchField,
    To,
    Word,
)

from es_rerank.search.query_text.dedup import join_distinct

with redirect_stderr(io.StringIO()):
    # Where luqum cannot keep its tables, the parser generator warns of its grammar at every start.
    from luqum.parser import parser

IsTextField = Callable[[str], bool]
"""Tells whether a field holds text that a person would search in words."""

_SKIPPED = (Not, Prohibit, Range, Regex, From, To)
# `_exists_:title` asks for a field, not for a title.
_NO_FIELDS = frozenset({"_exists_", "_missing_"})
# luqum takes a millisecond for twenty words, and the event loop waits: what is longer was not typed by a person.
MOST_PARSED = 2000
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPE_OR_WILDCARD = re.compile(r"\\(.)|[*?]", re.DOTALL)
_DENIED = re.compile(r"![^!]")
_LONE = frozenset({"&&", "||", "!", "+", "-"})
_SYNTAX = re.compile(r"[!(){}\[\]^\"~*?:\\/<>=|&]|(?:^|\s)[-+]|\b(?:AND|OR|NOT|TO)\b")
_OPERATOR = re.compile(r"\b(?:AND|OR|NOT|TO)\b|&&|\|\||[+!(){}\[\]^\"~*?:\\/<>=|]")
_FIELD = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*:(?=[\w\"(])")
_NEGATED = re.compile(r'(?:^|(?<=[\s(]))-(?:"[^"]*"?|\([^)]*\)?|\S+)')
_SIMPLE = re.compile(r"~\d*|(?<!\\)[+|\"()*]")


def lucene_words(text: str, is_text_field: IsTextField, *, unscoped: bool = True, parses: bool = True) -> str:
    """Reduce a `query_string` to its words: without operators, field names, boosts, ranges and negated parts.

    Format: Lucene's classic query parser syntax, read by luqum. What luqum cannot parse, or shall not, is stripped of
    operators. `unscoped`: whether words without a field name are heard, which depends on the default fields.
    """
    if not _SYNTAX.search(text):
        return " ".join(text.split()) if unscoped else ""
    try:
        tree = _parsed(text) if parses and len(text) <= MOST_PARSED else None
        spoken = join_distinct(_texts(tree, is_text_field, unscoped=unscoped)) if tree else stripped(text) * unscoped
    except RecursionError:
        spoken = stripped(text) * unscoped
    return " ".join(word for word in spoken.split() if word not in _LONE)


def simple_words(text: str) -> str:
    """Reduce a `simple_query_string` to its words. Its operators are + | - " * ( ) ~N."""
    return " ".join(_ESCAPE.sub(r"\1", _SIMPLE.sub(" ", _NEGATED.sub(" ", text))).split())


def wildcard_words(text: str) -> str:
    """Reduce a pattern to its words: `*` and `?` go unless they are escaped."""
    return " ".join(_ESCAPE_OR_WILDCARD.sub(lambda found: found.group(1) or " ", text).split())


def unescaped(text: str) -> str:
    """Take the backslashes out that escape something."""
    return _ESCAPE.sub(r"\1", text)


@lru_cache(maxsize=256)
def _parsed(text: str) -> Item | None:
    """Parse a text, which is asked for twice a search; None if luqum cannot."""
    try:
        return parser.parse(text)
    except (ParseError, ValueError, InvalidOperation, RecursionError):
        return None


def stripped(text: str) -> str:
    """Take everything out that looks like a field name or an operator."""
    return _OPERATOR.sub(" ", _FIELD.sub(" ", _NEGATED.sub(" ", text)))


def _texts(node: Item, is_text_field: IsTextField, *, unscoped: bool) -> Iterator[str]:
    """Walk over the texts below a node of the syntax tree: runs of words, and phrases."""
    if isinstance(node, _SKIPPED):
        return
    if isinstance(node, SearchField):
        name = unescaped(node.name)
        if name not in _NO_FIELDS and is_text_field(name):
            yield from _texts(node.expr, is_text_field, unscoped=True)
        return
    if isinstance(node, Word | Phrase):
        yield _leaf(node) * unscoped
        return
    run: list[str] = []
    for child in node.children:
        if _is_word(child):
            run.append(_leaf(child) * unscoped)
        else:
            yield " ".join(run)
            run = []
            yield from _texts(child, is_text_field, unscoped=unscoped)
    yield " ".join(run)


def _is_word(node: Item) -> bool:
    """Tell whether a node is a word, boosted, required or fuzzy perhaps."""
    while isinstance(node, Boost | Plus | BaseApprox):
        node = node.children[0]
    return isinstance(node, Word)


def _leaf(node: Item) -> str:
    """Give the text of a word or phrase, unescaped; a word's wildcards go, a lone `*` says nothing."""
    while isinstance(node, Boost | Plus | BaseApprox):
        node = node.children[0]
    if isinstance(node, Phrase):
        return unescaped(node.value[1:-1])
    # luqum takes `!hose`, which is a negation too, for a word.
    return "" if _DENIED.match(node.value) else wildcard_words(node.value)
