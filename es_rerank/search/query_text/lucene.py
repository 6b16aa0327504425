"""Reduces `query_string` queries and wildcard patterns to plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import InvalidOperation
from functools import lru_cache, partial

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
from ply import yacc
from ply.yacc import LRParser

from es_rerank.search.query_text.dedup import merge_texts
from es_rerank.search.query_text.terms import TextMeter


def _parser() -> LRParser:
    """Return luqum's parser, imported without writing to luqum's folder, which may be read-only.

    luqum creates its parser with PLY, which by default writes a report (and tables, if they are outdated) to disk, and
    prints a warning if it cannot.
    """
    generate = yacc.yacc
    yacc.yacc = partial(generate, debug=False, write_tables=False, errorlog=yacc.NullLogger())
    try:
        from luqum.parser import parser  # noqa: PLC0415 - imported while the generator's options are replaced
    finally:
        yacc.yacc = generate
    return parser


parser = _parser()

IsTextField = Callable[[str], bool]
"""Returns whether a field contains text; see `Context.is_text_field`."""
MayParse = Callable[[str], bool]
"""Returns whether a text may be parsed as a query language; see `TextMeter.parses`."""

# Syntax tree nodes without words to search for: excluded terms, ranges and regular expressions.
_IGNORED_NODES = (Not, Prohibit, Range, Regex, From, To)
# `_exists_:title` tests for a field; `title` is not a word of the query.
_EXISTS_FIELDS = frozenset({"_exists_", "_missing_"})
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPE_OR_WILDCARD = re.compile(r"\\(.)|[*?]", re.DOTALL)
# `!rusty`, but not `!!!`, which people type after a word.
_NEGATED_WORD = re.compile(r"![^!]")
# Operators that luqum may return as words.
_OPERATOR_WORDS = frozenset({"&&", "||", "!", "+", "-"})
# Matches any query syntax. A text without a match is plain words.
_SYNTAX = re.compile(r"[!(){}\[\]^\"~*?:\\/<>=|&]|(?:^|\s)[-+]|\b(?:AND|OR|NOT|TO)\b")
# The parts of a text that are removed if it is not parsed: operators, field names such as `title:`, and excluded terms
# such as `-rusty`, `-"old lead"` and `-(old lead)`. A hyphen inside a word is not an operator.
_OPERATOR = re.compile(r"\b(?:AND|OR|NOT|TO)\b|&&|\|\||[+!(){}\[\]^\"~*?:\\/<>=|]")
_FIELD = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*:(?=[\w\"(])")
_EXCLUDED = re.compile(r'(?:^|(?<=[\s(]))-(?:"[^"]*"?|\([^)]*\)?|\S+)')


def lucene_words(
    text: str, is_text_field: IsTextField, *, default_field_is_text: bool = True, parse: MayParse | None = None
) -> str:
    """Reduce a `query_string` to plain words, without operators, field names, boosts, ranges and excluded terms.

    Format: Lucene's classic query parser syntax, parsed by luqum. If luqum rejects a text, all words are kept that do
    not look like an operator or a field name.

    Args:
        text: The query string.
        is_text_field: Returns whether a field contains text; terms of other fields are dropped.
        default_field_is_text: Whether to keep words without a field name, which are searched in the default fields.
        parse: Returns whether a text may be parsed, which is slow; otherwise only its operators are removed. None uses
            the limits of one search.

    """
    if not _SYNTAX.search(text):
        return " ".join(text.split()) if default_field_is_text else ""
    tree = _parse(text) if (parse or TextMeter().parses)(text) else None
    parsed = merge_texts(_node_texts(tree, is_text_field, fielded=default_field_is_text)) if tree else None
    words = strip_operators(text) * default_field_is_text if parsed is None else parsed
    return " ".join(word for word in words.split() if word not in _OPERATOR_WORDS)


def wildcard_words(text: str) -> str:
    """Reduce a wildcard pattern to plain words: unescaped `*` and `?` separate words."""
    return " ".join(_ESCAPE_OR_WILDCARD.sub(lambda match: match.group(1) or " ", text).split())


def unescape(text: str) -> str:
    """Remove the backslash before each escaped character."""
    return _ESCAPE.sub(r"\1", text)


def strip_operators(text: str) -> str:
    """Replace excluded terms, and all text that looks like a field name or an operator, with spaces."""
    return _OPERATOR.sub(" ", _FIELD.sub(" ", _EXCLUDED.sub(" ", text)))


@lru_cache(maxsize=256)
def _parse(text: str) -> Item | None:
    """Return the syntax tree of a query string; None if luqum rejects it. Cached, because each search is read twice."""
    try:
        return parser.parse(text)
    except (ValueError, InvalidOperation):
        return None


def _node_texts(node: Item, is_text_field: IsTextField, *, fielded: bool) -> Iterator[str]:
    """Yield the texts below a node of the syntax tree: runs of words, and phrases.

    `fielded`: the node is searched in a text field.
    """
    if isinstance(node, _IGNORED_NODES):
        return
    if isinstance(node, SearchField):
        name = unescape(node.name)
        if name not in _EXISTS_FIELDS and is_text_field(name):
            yield from _node_texts(node.expr, is_text_field, fielded=True)
        return
    if isinstance(node, Word | Phrase):
        yield _leaf_text(node) * fielded
        return
    run: list[str] = []
    for child in node.children:
        if _is_word(child):
            run.append(_leaf_text(child) * fielded)
        else:
            yield " ".join(run)
            run = []
            yield from _node_texts(child, is_text_field, fielded=fielded)
    yield " ".join(run)


def _is_word(node: Item) -> bool:
    """Return whether a syntax tree node is a single term, such as `hose`, `hose^2`, `+hose` or `hose~`."""
    return isinstance(_unwrapped(node), Word)


def _leaf_text(node: Item) -> str:
    """Return the unescaped text of a node that is a term or a phrase; wildcards in a term are removed."""
    node = _unwrapped(node)
    if isinstance(node, Phrase):
        return unescape(node.value[1:-1])
    # luqum parses `!rusty` as a word; Lucene reads it as NOT rusty.
    return "" if _NEGATED_WORD.match(node.value) else wildcard_words(node.value)


def _unwrapped(node: Item) -> Item:
    """Return a node without the boost (`^2`), `+` and `~` around it."""
    while isinstance(node, Boost | Plus | BaseApprox):
        node = node.children[0]
    return node
