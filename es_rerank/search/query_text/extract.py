"""Extracts the user's query text from a search request: from the URL, the query, kNN searches and retrievers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from es_rerank.model import IndexInfo, Search
from es_rerank.search.query_text.clauses import read_query
from es_rerank.search.query_text.dedup import fold, merge_texts
from es_rerank.search.query_text.leaf_clauses import query_vector
from es_rerank.search.query_text.lucene import lucene_words
from es_rerank.search.query_text.retrievers import read_retriever
from es_rerank.search.query_text.terms import (
    MAX_QUERY_CHARACTERS,
    Clause,
    Context,
    QueryText,
    TextMeter,
    listed,
    member,
)

# The default of `indices.query.bool.max_clause_count` in OpenSearch and in Elasticsearch before 8.1.
_MAX_CLAUSES = 1024


def typed_texts(search: Search, info: IndexInfo | None) -> list[QueryText]:
    """Return the texts that a user typed, in clause order. Equal texts are merged, with the fields of all of them.

    `?q=` replaces the body's query, as in the engines. Texts of term-level clauses are used only if no full-text clause
    has a text; otherwise they are considered filters.

    Args:
        search: The decoded search.
        info: The field types of its indices; None if the mapping is not known.

    """
    context = Context(info.field_types if info else {}, meter=TextMeter(search.budget.syntax_tokens))
    texts = list(_texts(search, context))
    return _merge_equal([text for text in texts if not text.term_level] or texts)


def may_have_text(search: Search) -> bool:
    """Return whether a search may have a typed text; used before its mapping is known."""
    context = Context(mapping_unknown=True, meter=TextMeter(search.budget.syntax_tokens))
    return next(_texts(search, context), None) is not None


def query_text(texts: Sequence[QueryText]) -> str:
    """Join the texts of `typed_texts` into the query text for the model, without repeated words."""
    return texts[0].text if len(texts) == 1 else merge_texts(text.text for text in texts)


def _texts(search: Search, context: Context) -> Iterator[QueryText]:
    """Yield the texts of a search that are not blank."""
    texts = _url_texts(search, context) if "q" in search.params else _body_texts(search.body.values, context)
    return (text for text in islice(texts, _MAX_CLAUSES) if text.text.strip())


def _url_texts(search: Search, context: Context) -> Iterator[QueryText]:
    """Yield the text of `?q=`, in Lucene query syntax; `df` is its default field."""
    fields = (search.params["df"],) if "df" in search.params else ()
    text = lucene_words(
        context.meter.take(search.params["q"][:MAX_QUERY_CHARACTERS]),
        context.is_text_field,
        default_field_is_text=all(map(context.is_text_field, fields)),
        parse=context.meter.parses,
    )
    yield QueryText(text, fields)


def _each(read: Clause) -> Clause:
    """Return a reader of one value or a list of values that reads each value with *read*."""
    return lambda value, context: (text for element in listed(value) for text in read(element, context))


_PARTS: Mapping[str, Clause] = {
    "query": read_query,
    "sub_searches": _each(lambda value, context: read_query(member(value, "query"), context)),
    "knn": _each(query_vector),
    "retriever": read_retriever,
}


def _body_texts(body: Mapping[str, Any], context: Context) -> Iterator[QueryText]:
    """Yield the texts of a body. `rescore` is ignored, because it repeats the query's words."""
    for name, read in _PARTS.items():
        if name in body:
            yield from read(body[name], context)


def _merge_equal(texts: Sequence[QueryText]) -> list[QueryText]:
    """Merge texts that differ only in case, accents, punctuation or plural forms."""
    groups: defaultdict[str, list[QueryText]] = defaultdict(list)
    for text in texts:
        words = " ".join(text.text.split())[:MAX_QUERY_CHARACTERS].rstrip()
        # With only one text, skip folding to save time.
        key = (fold(words) if len(texts) > 1 else "") or words
        groups[key].append(QueryText(words, text.fields))
    return [_merge_group(group) for group in groups.values()]


def _merge_group(group: list[QueryText]) -> QueryText:
    """Merge equal texts: use the most frequent spelling and the fields of all of them."""
    text = Counter(text.text for text in group).most_common(1)[0][0]
    return QueryText(text, tuple(dict.fromkeys(name for text in group for name in text.fields)))
