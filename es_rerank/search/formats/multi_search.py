"""`_msearch`: reads the lines of a request, and finds the answer of each search in the engine's.

Format: a line of header and a line of body for each search, each ended by a newline; the answer is
`{"took": ..., "responses": [...]}` with a search answer or `{"error", "status"}` in the place of each search.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from es_rerank.jsonspan import Span, elements, members, splice
from es_rerank.search.formats.endpoints import INDEX_OPTIONS, MOST_SEARCHES
from es_rerank.search.naming import snake_case

_TARGET = ("index", "indices")
# What a header may say of its search beside the indices, and that a URL may say in the same words.
_OPTIONS = INDEX_OPTIONS | {
    "allow_partial_search_results",
    "ccs_minimize_roundtrips",
    "preference",
    "request_cache",
    "routing",
    "search_type",
}
# In a list of names a comma is part of a name, and no name is empty.
_ONE = re.compile(r"[^,]+")
_BLANK = b" \t\r"


@dataclass(frozen=True, slots=True)
class Item:
    """One search: its lines; the decoded index expression and the options of its header, as URL parameters are."""

    header: bytes
    target: str
    options: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class MultiSearchResponse:
    """An answer: its bytes, the place of the array in it, and the bytes of each element."""

    body: bytes
    array: Span
    elements: tuple[bytes, ...]

    def whole(self, at: int) -> bytes | None:
        """Give the answer of one search; None if it is an error."""
        try:
            found = members(self.elements[at])
            status = msgspec.json.decode(found["status"].of(self.elements[at])) if "status" in found else HTTPStatus.OK
        except (ValueError, RecursionError):
            return None
        return self.elements[at] if status == HTTPStatus.OK and "error" not in found else None

    def joined(self, replaced: Mapping[int, bytes]) -> bytes:
        """Write the answer with other elements in these places; all other bytes stay."""
        edits = []
        at = self.array.start
        for place, raw in enumerate(self.elements):
            start = self.body.index(raw, at)
            at = start + len(raw)
            edits.append((start, at, replaced.get(place, raw)))
        return splice(self.body, edits)


def too_many(body: bytes) -> bool:
    """Tell whether a request holds more searches than are planned."""
    return body.count(b"\n") > 2 * MOST_SEARCHES + 1


def read(body: bytes, target: str) -> list[Item] | None:
    """Read the searches of a request to *target*.

    None for what an engine refuses, so that it words the error, and for what engines read in different ways.
    """
    if body.startswith(b"\n") or not body.endswith(b"\n"):
        return None
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")[:-1]]
    if len(lines) % 2 and not lines[-1].strip(_BLANK):
        lines.pop()  # the engines let one blank line pass at the end
    if not lines or len(lines) % 2:
        return None
    try:
        return [_item(header, text, target) for header, text in zip(lines[::2], lines[1::2], strict=True)]
    except (ValueError, RecursionError):
        return None


def options(item: Item, params: Mapping[str, str]) -> dict[str, str]:
    """Give what counts for one search: its header stands above the URL, which says which indices may be missing."""
    return {name: params[name] for name in INDEX_OPTIONS if name in params} | dict(item.options)


def write(lines: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write headers and bodies, a line each; a newline can only stand between the tokens of a body."""
    return b"".join(header + b"\n" + _one_line(body) + b"\n" for header, body in lines)


def responses(answer: bytes) -> MultiSearchResponse | None:
    """Find the answers; None for anything else."""
    try:
        array = members(answer)["responses"]
        return MultiSearchResponse(answer, array, tuple(elements(array.of(answer))))
    except (KeyError, ValueError, RecursionError):
        return None


def _item(header: bytes, body: bytes, target: str) -> Item:
    """Read one search. Raises ValueError if it is none. A blank header says nothing."""
    header = header if header.strip(_BLANK) else b"{}"
    members(header)  # refuses a member that is there twice
    said = msgspec.json.decode(header, type=dict[str, Any])
    msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    known = {snake_case(name): value for name, value in said.items() if value is not None}
    options = {name: _text(value) for name, value in known.items() if name in _OPTIONS}
    return Item(header, _target(said, target), options, body)


def _target(said: Mapping[str, Any], target: str) -> str:
    """Write what a header names as one expression. Raises ValueError for what none can stand for."""
    match [said[name] for name in _TARGET if name in said]:
        case []:
            return target
        case [str(name)]:
            return name
        case [list(names)] if all(isinstance(one, str) and _ONE.fullmatch(one) for one in names):
            return ",".join(names)
    raise ValueError("no index expression")


def _text(value: Any) -> str:
    """Write a header's value as a URL parameter would say it."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(body: bytes) -> bytes:
    """Put a body on one line."""
    return body.replace(b"\n", b" ")
