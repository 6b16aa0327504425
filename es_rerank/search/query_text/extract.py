"""Finds the words a person typed inside a search body, and makes one text of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from es_rerank.model import IndexInfo, Search
from es_rerank.search.query_text.clauses import walk
from es_rerank.search.query_text.dedup import fold, join_distinct
from es_rerank.search.query_text.leaf_clauses import query_vector
from es_rerank.search.query_text.lucene import lucene_words
from es_rerank.search.query_text.retrievers import retrieved
from es_rerank.search.query_text.terms import MOST_CHARACTERS, Context, QueryText, listed, member

# As many clauses with words as the engines take in a query by default.
_MOST_CLAUSES = 1024
# To parse a query language takes a thousand times as long as to read JSON, and the event loop waits.
_MOST_PARSED = 20_000


def typed_texts(search: Search, info: IndexInfo | None) -> list[QueryText]:
    """List what was typed, in the order of the clauses, each text once. `?q=` replaces the body's query.

    Terms of term-level clauses count only where no full-text clause says anything: beside one they are filters.
    """
    texts = [one for one in _texts(search, Context(info.field_types if info else {})) if one.text.strip()]
    return _once([one for one in texts if not one.exact] or texts)


def may_have_text(search: Search) -> bool:
    """Tell whether words may have been typed in a search: what is known before its mapping is."""
    return any(one.text.strip() for one in _texts(search, Context(mapping_unknown=True)))


def query_text(texts: list[QueryText]) -> str:
    """Join what was typed into one text; words that another text holds already are not repeated."""
    return join_distinct(one.text for one in texts)


def _texts(search: Search, context: Context) -> list[QueryText]:
    """Read all parts of a search, no more than an engine would; one deeper than any engine takes says nothing."""
    context = replace(context, parses=len(search.body.raw) <= _MOST_PARSED)
    try:
        found = _typed(search, context) if "q" in search.params else _parts(search.body.values, context)
        return list(islice(found, _MOST_CLAUSES))
    except RecursionError:
        return []


def _typed(search: Search, context: Context) -> Iterator[QueryText]:
    """Read `?q=`, in Lucene's syntax, and its default field `df`."""
    names = (search.params["df"],) if "df" in search.params else ()
    text = lucene_words(
        search.params["q"][:MOST_CHARACTERS], context.is_text_field, unscoped=all(map(context.is_text_field, names))
    )
    yield QueryText(text, names)


def _each(read: Callable[[Any, Context], Iterator[QueryText]]) -> Callable[[Any, Context], Iterator[QueryText]]:
    """Make a reader of one or many out of a reader of one."""
    return lambda value, context: (found for one in listed(value) for found in read(one, context))


_PARTS: Mapping[str, Callable[[Any, Context], Iterator[QueryText]]] = {
    "query": walk,
    "sub_searches": _each(lambda value, context: walk(member(value, "query"), context)),
    "knn": _each(query_vector),
    "retriever": retrieved,
}


def _parts(body: Mapping[str, Any], context: Context) -> Iterator[QueryText]:
    """Read the parts of a body that choose hits and score them; `rescore` only refines what they say."""
    for name, read in _PARTS.items():
        if name in body:
            yield from read(body[name], context)


def _once(texts: Iterable[QueryText]) -> list[QueryText]:
    """Fold white space and join texts that say the same, with the fields of all; the one said most often stands."""
    groups: defaultdict[str, list[QueryText]] = defaultdict(list)
    for one in texts:
        text = " ".join(one.text[:MOST_CHARACTERS].split())
        groups[fold(text) or text].append(QueryText(text, one.fields))
    return [_merged(group) for group in groups.values()]


def _merged(group: list[QueryText]) -> QueryText:
    """Make one of texts that say the same."""
    text = Counter(one.text for one in group).most_common(1)[0][0]
    return QueryText(text, tuple(dict.fromkeys(name for one in group for name in one.fields)))
