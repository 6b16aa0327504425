"""Builds the text of each document from the chosen fields. If several fields have the same text, it is used once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from es_rerank.search.fields.choice import MAX_TEXTS, Columns, Place, choose
from es_rerank.search.fields.names import Role, read_name

# If there are at most this many candidates, all with clear names, the documents are not used for the choice.
_MAX_CLEAR = 3
# A field is compiled from others, like a target of `copy_to`, if their values make up this share of its value.
_MIN_COMPILED_SHARE, _MIN_COMPILED_CHARACTERS, _COMPARED_DOCUMENTS = 0.8, 30, 2
_MIN_PART_CHARACTERS = 3
# Minimum number of texts for labels: a single text needs no label.
_MIN_LABELED = 2
# A text is not read if an earlier text makes up at least this share of it, such as a log message in the original line.
_MIN_REPEATED_SHARE, _MIN_REPEATED_CHARACTERS = 0.6, 40


def places(columns: Columns, named: Collection[str], query: str) -> tuple[Place, ...]:
    """Return the fields that the model reads, in order; see `choose`.

    Args:
        columns: The candidate fields, in the order of `candidates`, each with one text per document.
        named: The candidates that the query names.
        query: The query text.

    """
    if len(columns) <= _MAX_CLEAR and all(_is_clear(name) for name in columns):
        return tuple((name,) for name in columns)
    repeating = compiled(columns)
    return choose({name: texts for name, texts in columns.items() if name not in repeating}, named, query)


def read_together(columns: Columns, chosen: Sequence[Place], document: int, *, labels: bool = False) -> str | None:
    """Return the text of one document, one line per chosen field, without repeated texts; None if it has no text.

    Args:
        columns: The text of each field in each document.
        chosen: The fields to read, in order.
        document: The position of the document in the window, from 0.
        labels: Whether to label the texts; see `labeled`.

    """
    lines: list[str] = []
    names: list[str] = []
    for place in chosen:
        name = next((one for one in place if columns[one][document]), None)
        if name and not (lines and _is_read(columns[name][document], lines)):
            lines.append(columns[name][document])
            names.append(name)
    return "\n".join(labeled(names, lines[:MAX_TEXTS]) if labels else lines[:MAX_TEXTS]) or None


def labeled(names: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
    """Return texts labeled with the last part of the field names (`product name: `). A single text gets no label."""
    if len(texts) < _MIN_LABELED:
        return texts
    labels = [name.rpartition(".")[2].replace("_", " ") for name in names]
    return [f"{label}: {text}" for label, text in zip(labels, texts, strict=False)]


def _is_clear(name: str) -> bool:
    """Return whether the name of a field shows the kind of content, and does not contain a language."""
    read = read_name(name)
    return read.role <= Role.BODY and not read.group


def _is_read(text: str, lines: Sequence[str]) -> bool:
    """Return whether a text is part of one of the earlier texts (*lines*), or consists mostly of one of them."""
    return any(
        text in line or (len(line) >= max(_MIN_REPEATED_CHARACTERS, _MIN_REPEATED_SHARE * len(text)) and line in text)
        for line in lines
    )


def compiled(columns: Columns) -> set[str]:
    """Return the names of the fields that only repeat the values of other fields, such as targets of `copy_to`.

    Of each field, only the values in the first documents that have one are compared.
    """
    found = set()
    for name, texts in columns.items():
        having = [at for at, text in enumerate(texts) if len(text) >= _MIN_COMPILED_CHARACTERS][:_COMPARED_DOCUMENTS]
        if having and all(_is_compiled(name, columns, at) for at in having):
            found.add(name)
    return found


def _is_compiled(name: str, columns: Columns, document: int) -> bool:
    """Return whether the value of a field in one document consists mostly of the values of several other fields."""
    text = columns[name][document]
    others = {texts[document] for other, texts in columns.items() if other != name}
    parts = [one for one in others if _MIN_PART_CHARACTERS <= len(one) < len(text) and one in text]
    has_text = any(" " in one for one in parts)
    return len(parts) > 1 and has_text and sum(map(len, parts)) >= _MIN_COMPILED_SHARE * len(text)
