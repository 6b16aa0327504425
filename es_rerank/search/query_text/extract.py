"""Extracts the text that a person typed from a search: from the URL, the query, kNN searches and retrievers."""

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
from es_rerank.search.query_text.terms import MAX_QUERY_CHARACTERS, Clause, Context, QueryText, listed, member

# The default of `indices.query.bool.max_clause_count` in OpenSearch and in Elasticsearch before 8.1.
_MAX_CLAUSES = 1024
# Parsing a query language takes about a thousand times as long as decoding JSON, and it blocks the event loop.
_MAX_PARSED_BODY_BYTES = 20_000


def typed_texts(search: Search, info: IndexInfo | None) -> list[QueryText]:
    """Return the texts typed, in the order of the clauses; equal texts are one, with the fields of all.

    `?q=` replaces the body's query, as in the engines. Values of term-level clauses count only if no full-text clause
    has any text; otherwise they are filters. A query that is nested too deeply to be read has no text.

    Args:
        search: the decoded search.
        info: the field types of the indices searched; None if the mapping is not known.

    """
    try:
        context = Context(info.field_types if info else {}, parse_syntax=_parses_syntax(search))
        texts = list(_texts(search, context))
    except RecursionError:
        return []
    return _merge_equal([text for text in texts if not text.term_level] or texts)


def may_have_text(search: Search) -> bool:
    """Return whether a search has a typed text under some mapping: all that is known before the mapping is."""
    try:
        context = Context(mapping_unknown=True, parse_syntax=_parses_syntax(search))
        return next(_texts(search, context), None) is not None
    except RecursionError:
        return False


def query_text(texts: Sequence[QueryText]) -> str:
    """Join the texts of `typed_texts` into the query that the reranker reads, without repeated words."""
    return texts[0].text if len(texts) == 1 else merge_texts(text.text for text in texts)


def _parses_syntax(search: Search) -> bool:
    """Return whether a search is small enough for its query languages to be parsed."""
    return len(search.body.raw) <= _MAX_PARSED_BODY_BYTES


def _texts(search: Search, context: Context) -> Iterator[QueryText]:
    """Iterate over the texts of a search that are not blank. Raises RecursionError for a query nested too deeply."""
    texts = _url_texts(search, context) if "q" in search.params else _body_texts(search.body.values, context)
    return (text for text in islice(texts, _MAX_CLAUSES) if text.text.strip())


def _url_texts(search: Search, context: Context) -> Iterator[QueryText]:
    """Read `?q=`, in Lucene's query syntax, and its default field `df`."""
    fields = (search.params["df"],) if "df" in search.params else ()
    text = lucene_words(
        search.params["q"][:MAX_QUERY_CHARACTERS],
        context.is_text_field,
        default_field_is_text=all(map(context.is_text_field, fields)),
    )
    yield QueryText(text, fields)


def _each(read: Clause) -> Clause:
    """Make a reader of one value or a list of values out of a reader of one."""
    return lambda value, context: (text for element in listed(value) for text in read(element, context))


_PARTS: Mapping[str, Clause] = {
    "query": read_query,
    "sub_searches": _each(lambda value, context: read_query(member(value, "query"), context)),
    "knn": _each(query_vector),
    "retriever": read_retriever,
}


def _body_texts(body: Mapping[str, Any], context: Context) -> Iterator[QueryText]:
    """Read the parts of a body that select and score hits. `rescore` is not read: it repeats the query's words."""
    for name, read in _PARTS.items():
        if name in body:
            yield from read(body[name], context)


def _merge_equal(texts: Sequence[QueryText]) -> list[QueryText]:
    """Make one text of those that are equal but for case, accents, punctuation and plurals."""
    groups: defaultdict[str, list[QueryText]] = defaultdict(list)
    for text in texts:
        words = " ".join(text.text.split())[:MAX_QUERY_CHARACTERS].rstrip()
        # A single text is not compared: folding it would cost time on every search.
        key = (fold(words) if len(texts) > 1 else "") or words
        groups[key].append(QueryText(words, text.fields))
    return [_merge_group(group) for group in groups.values()]


def _merge_group(group: list[QueryText]) -> QueryText:
    """Merge equal texts: the most frequent spelling, with the fields of all."""
    text = Counter(text.text for text in group).most_common(1)[0][0]
    return QueryText(text, tuple(dict.fromkeys(name for text in group for name in text.fields)))
