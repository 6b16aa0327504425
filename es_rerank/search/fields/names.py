"""Classifies a field by its name: headline, synopsis, body or label."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from es_rerank.search.fields.words import (
    BODY_WORDS,
    DOCUMENT_WORDS,
    ENTITY_WORDS,
    FILTER_WORDS,
    HEADLINE_WORDS,
    LABEL_WORDS,
    LANGUAGES,
    SYNOPSIS_WORDS,
    VALUE_WORDS,
    WRAPPER_WORDS,
)

# Words of a name in snake_case, kebab-case or camelCase.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")
_RANKS = {word: rank for words in (HEADLINE_WORDS, SYNOPSIS_WORDS, BODY_WORDS) for rank, word in enumerate(words)}
# `opening_text` and `short_description` are synopses.
_SHORT_WORDS = {*SYNOPSIS_WORDS, "short", "brief"}
# A name with more words than this is not analyzed further.
_MAX_WORDS = 12


class Role(IntEnum):
    """The kind of content that a field has, by its name. The model reads fields with lower values first.

    NAME is the name or title of something other than the document, such as its author or its shop.
    """

    HEADLINE = 0
    SYNOPSIS = 1
    BODY = 2
    UNKNOWN = 3
    NAME = 4
    LABEL = 5


class FieldName(NamedTuple):
    """The information in a field name.

    Attributes:
        role: The kind of content.
        depth: Number of objects around the field, except objects that only contain the document's fields.
        rank: Preference among fields of the same role and depth; lower is better.
        group: The name without its language, such as `title` for `title_en`; empty if it names no language.

    """

    role: Role
    depth: int
    rank: int
    group: str


@lru_cache(maxsize=20_000)
def read_name(name: str) -> FieldName:
    """Return the kind of content of a field, by the English words in its name.

    Args:
        name: Dotted path of the field. Names may be in snake_case, kebab-case or camelCase.

    """
    path = [_words(segment) for segment in name.split(".")]
    path, group = _without_language([words for words in path if words])
    if len(path) > 1 and len(path[-1]) == 1 and path[-1][0] in VALUE_WORDS and _role(path[:-1]) < Role.UNKNOWN:
        path.pop()
    if not path:
        return FieldName(Role.UNKNOWN, 0, len(_RANKS), group)
    depth = sum(not WRAPPER_WORDS.issuperset(words) for words in path[:-1])
    rank = _RANKS.get(path[-1][-1], len(_RANKS)) + (len(_RANKS) if len(path[-1]) > 1 else 0)
    return FieldName(_role(path), depth, rank, group)


@lru_cache(maxsize=20_000)
def names_filter(name: str) -> bool:
    """Return whether a field has a name such as `status` or `post_type`, whose values select documents.

    Args:
        name: Dotted path of the field; for a multi-field, the path of its parent.

    """
    words = _words(name.rpartition(".")[2])
    return bool(words) and words[-1] in FILTER_WORDS


def _words(segment: str) -> list[str]:
    """Return the words of one segment of a path, in lower case."""
    return [word.lower() for word in _WORD.findall(segment)[-_MAX_WORDS:]]


def _without_language(path: list[list[str]]) -> tuple[list[list[str]], str]:
    """Return a path without the languages at its end, and this path as a name, which is empty without a language."""
    kept = [list(words) for words in path]
    while kept and sum(map(len, kept)) > 1 and kept[-1][-1] in LANGUAGES:
        kept[-1].pop()
        if not kept[-1]:
            kept.pop()
    changed = sum(map(len, kept)) < sum(map(len, path))
    return kept, ".".join("_".join(words) for words in kept) if changed else ""


def _role(path: list[list[str]]) -> Role:
    """Return the role of a field, from the words in the segments of its path."""
    last = path[-1][-1]
    # The words before the last one, which name the owner of the title or text.
    owners = {word for words in path[:-1] for word in words if not WRAPPER_WORDS.issuperset(words)} | set(path[-1][:-1])
    is_foreign = bool(owners & ENTITY_WORDS)
    if last in HEADLINE_WORDS:
        return _headline_role(last, owners, is_nested=len(path) > 1)
    if last in SYNOPSIS_WORDS:
        return Role.UNKNOWN if is_foreign else Role.SYNOPSIS
    if last in BODY_WORDS and (last not in LABEL_WORDS or not owners):
        return Role.UNKNOWN if is_foreign else Role.SYNOPSIS if owners & _SHORT_WORDS else Role.BODY
    return Role.LABEL if last in LABEL_WORDS else Role.UNKNOWN


def _headline_role(last: str, owners: set[str], *, is_nested: bool) -> Role:
    """Return the role of a field whose name ends with a headline word, by the words before it."""
    if not owners or (owners <= DOCUMENT_WORDS and not owners & ENTITY_WORDS):
        return Role.HEADLINE
    if owners & ENTITY_WORDS:
        return Role.NAME
    return Role.UNKNOWN if last == "name" or is_nested else Role.HEADLINE
