"""Finds the words a person typed inside a query. One row a clause; an unknown clause is never an error.

Only scoring context counts: what stands in `filter` or `must_not` chose the documents, nobody typed it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from es_rerank.model import IndexInfo, Search
from es_rerank.search.lucene import lucene_words, simple_words

# Mapping types that hold words. A clause on any other known type is a filter.
TEXT_KINDS = frozenset({"text", "match_only_text", "search_as_you_type", "annotated_text", "semantic_text"})


@dataclass(frozen=True, slots=True)
class Said:
    """Words found in one clause, and the fields they were searched in (boosts and wildcards as written)."""

    text: str
    fields: tuple[str, ...] = ()


class Fields:
    """What the index mapping knows about a field name; unknown names are taken as text."""

    def __init__(self, info: IndexInfo | None) -> None:
        """Read field kinds from *info*; None means that no mapping is known."""
        self._kinds = info.kinds if info else {}

    def heard(self, name: str) -> bool:
        """Tell whether *name* holds words rather than codes, numbers or dates."""
        kind = self._kinds.get(name)
        if kind is None:
            return not name.endswith((".keyword", ".raw"))
        return kind in TEXT_KINDS


Clause = Callable[[Any, Fields], Iterator[Said]]


def field_value(*keys: str) -> Clause:
    """Make a clause of the form `{field: text}` or `{field: {key: text}}`."""

    def clause(value: Any, fields: Fields) -> Iterator[Said]:
        for name, inner in _items(value):
            found = next((inner[key] for key in keys if key in inner), None) if isinstance(inner, dict) else inner
            if fields.heard(name) and isinstance(found, str | int | float) and not isinstance(found, bool):
                yield Said(str(found), (name,))

    return clause


def own_value(key: str, reduce: Callable[[str, Fields], str] = lambda text, _: text) -> Clause:
    """Make a clause of the form `{key: text, fields: [...]}`, its text reduced to words."""

    def clause(value: Any, fields: Fields) -> Iterator[Said]:
        text = value.get(key) if isinstance(value, dict) else None
        names = tuple(_field_names(value))
        heard = not names or any(fields.heard(name) for name in names)
        if isinstance(text, str | int | float) and heard:
            yield Said(reduce(str(text), fields), names)

    return clause


def inside(*keys: str) -> Clause:
    """Make a compound clause whose scoring queries stand under *keys*."""

    def clause(value: Any, fields: Fields) -> Iterator[Said]:
        for key in keys:
            if isinstance(value, dict) and key in value:
                yield from _walk(value[key], fields)

    return clause


def silent(_value: Any, _fields: Fields) -> Iterator[Said]:
    """Say nothing: a clause without words of a person."""
    return iter(())


def _function_score(value: Any, fields: Fields) -> Iterator[Said]:
    """Read the scored query; a random score wants chance, not relevance."""
    functions = value.get("functions") if isinstance(value, dict) else None
    several = functions if isinstance(functions, list) else []
    shuffled = [one for one in [value, *several] if isinstance(one, dict) and "random_score" in one]
    return silent(value, fields) if shuffled else inside("query")(value, fields)


def _more_like_this(value: Any, fields: Fields) -> Iterator[Said]:
    """Read the texts to compare with; documents named by their ids were typed by nobody."""
    like = value.get("like") if isinstance(value, dict) else None
    for text in like if isinstance(like, list) else [like]:
        yield from own_value("like")({**value, "like": text} if isinstance(text, str) else None, fields)


def _intervals(value: Any, fields: Fields) -> Iterator[Said]:
    """Read `{field: {match: {query}}}`, also below `all_of` and `any_of`."""
    for name, rule in _items(value):
        for kind, inner in _items(rule) if fields.heard(name) else ():
            parts = inner.get("intervals") if isinstance(inner, dict) else None
            if kind == "match":
                yield from field_value("query")({name: inner}, fields)
            elif kind in {"all_of", "any_of"} and isinstance(parts, list):
                yield from (said for part in parts for said in _intervals({name: part}, fields))


def _wrapper(value: Any, fields: Fields) -> Iterator[Said]:
    """Read a query that is sent as JSON in base64."""
    text = value.get("query") if isinstance(value, dict) else None
    try:
        query = msgspec.json.decode(b64decode(text)) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return
    yield from _walk(query, fields)


def _knn(value: Any, fields: Fields) -> Iterator[Said]:
    """Read the text that the engine makes a vector of."""
    builder = value.get("query_vector_builder") if isinstance(value, dict) else None
    return own_value("model_text")(builder.get("text_embedding") if isinstance(builder, dict) else None, fields)


CLAUSES: Mapping[str, Clause] = {
    "match": field_value("query"),
    "match_phrase": field_value("query"),
    "match_phrase_prefix": field_value("query"),
    "match_bool_prefix": field_value("query"),
    "multi_match": own_value("query"),
    "combined_fields": own_value("query"),
    "query_string": own_value("query", lambda text, fields: lucene_words(text, fields.heard)),
    "simple_query_string": own_value("query", lambda text, _: simple_words(text)),
    "intervals": _intervals,
    "more_like_this": _more_like_this,
    "semantic": own_value("query"),
    "sparse_vector": own_value("query"),
    "text_expansion": field_value("model_text"),
    "neural": field_value("query_text"),
    "neural_sparse": field_value("query_text"),
    "knn": _knn,
    "wrapper": _wrapper,
    "bool": inside("must", "should"),
    "dis_max": inside("queries"),
    "boosting": inside("positive"),
    "hybrid": inside("queries"),
    "pinned": inside("organic"),
    "rule": inside("organic"),
    "nested": inside("query"),
    "has_child": inside("query"),
    "has_parent": inside("query"),
    "script_score": inside("query"),
    "function_score": _function_score,
    "constant_score": silent,
    "match_all": silent,
    "match_none": silent,
    "term": silent,
    "terms": silent,
    "range": silent,
    "exists": silent,
    "ids": silent,
    "percolate": silent,
    "script": silent,
}


def said(search: Search, info: IndexInfo | None) -> list[Said]:
    """List what was typed, in the order of the clauses, each text once. `?q=` replaces the body's query."""
    fields = Fields(info)
    typed = search.params.get("q")
    if typed is not None:
        names = (search.params["df"],) if "df" in search.params else ()
        return _once([Said(lucene_words(typed, fields.heard), names)])
    try:
        return _once(list(_walk(search.body.get("query"), fields)))
    except RecursionError:  # deeper than any engine takes
        return []


def query_text(heard: list[Said]) -> str:
    """Join what was typed into one text; words that another text holds already are not repeated."""
    texts = [f" {one.text.casefold()} " for one in heard]
    kept = [
        one.text
        for at, one in enumerate(heard)
        if not any(texts[at] in other for other in texts if len(other) > len(texts[at]))
    ]
    return " ".join(kept)


def _walk(value: Any, fields: Fields) -> Iterator[Said]:
    """Read a query or a list of queries; below an unknown clause, those that are known."""
    if isinstance(value, list):
        for one in value:
            yield from _walk(one, fields)
        return
    for name, inner in _items(value):
        if name in CLAUSES:
            yield from CLAUSES[name](inner, fields)
        elif isinstance(inner, dict | list) and name not in {"filter", "must_not"}:
            yield from _walk(inner, fields)


def _once(heard: list[Said]) -> list[Said]:
    """Fold white space and join equal texts, with the fields of all of them."""
    merged: dict[str, Said] = {}
    for one in heard:
        text = " ".join(one.text.split())
        known = merged.get(text.casefold(), Said(text))
        merged[text.casefold()] = Said(known.text, tuple(dict.fromkeys(known.fields + one.fields)))
    return [one for one in merged.values() if one.text]


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over the members of an object, and over nothing for anything else."""
    return iter(value.items() if isinstance(value, dict) else ())


def _field_names(value: Any) -> Iterator[str]:
    """Name the fields of a multi-field clause, without boosts."""
    names = value.get("fields", value.get("default_field")) if isinstance(value, dict) else None
    for name in names if isinstance(names, list) else [names]:
        if isinstance(name, str):
            yield name.partition("^")[0]
