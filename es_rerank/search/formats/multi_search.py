"""`_msearch`: reads the lines of a request, and locates the response of each search in the engine's response.

Format: for each search a header line and a body line, each ended by a newline; the response is
`{"took": ..., "responses": [...]}` with a search response, or `{"error", "status"}`, for each search.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from es_rerank.jsonspan import Span, elements, member, members, splice
from es_rerank.model import Skip, Why
from es_rerank.search.formats.endpoints import INDEX_OPTIONS, MAX_SEARCHES, ParsedSearch
from es_rerank.search.naming import snake_case

_TARGET = ("index", "indices")
# What a header may say about its search besides the indices; a URL may say it in the same words.
_OPTIONS = INDEX_OPTIONS | {
    "allow_partial_search_results",
    "ccs_minimize_roundtrips",
    "preference",
    "request_cache",
    "routing",
    "search_type",
}
# In a list of names a comma is part of a name, and no name is empty.
_INDEX_NAME = re.compile(r"[^,]+")
_BLANK = b" \t\r"


@dataclass(frozen=True, slots=True)
class MultiSearchResponse:
    """The response to many searches: its bytes, and the span of each search's response."""

    body: bytes
    responses: tuple[Span, ...]

    def response(self, index: int) -> bytes:
        """Return the response of one search, which may be an error."""
        return self.responses[index].of(self.body)

    def success(self, index: int) -> bytes | None:
        """Return the response of one search; None if it is an error."""
        response = self.response(index)
        try:
            found = members(response)
            status = msgspec.json.decode(found["status"].of(response)) if "status" in found else HTTPStatus.OK
        except (ValueError, RecursionError):
            return None
        return response if status == HTTPStatus.OK and "error" not in found else None

    def with_responses(self, replaced: Mapping[int, bytes]) -> bytes:
        """Return the body with other responses at these positions; all other bytes stay."""
        return splice(
            self.body,
            [(self.responses[index].start, self.responses[index].end, new) for index, new in replaced.items()],
        )


def read(
    body: bytes, target: str, params: Mapping[str, str], *, templates: bool = False
) -> Sequence[ParsedSearch] | Skip:
    """Read the searches, or templates, of a request.

    Args:
        body: The request body.
        target: The index expression of the path, for searches whose header names none.
        params: The decoded URL parameters.
        templates: Whether the body lines are templates.

    Returns:
        The searches in their order; a skip for what an engine refuses, so that it words the error, and for what the
        engines read in different ways.

    """
    if body.count(b"\n") > 2 * MAX_SEARCHES + 1:
        return Skip(Why.TOO_LARGE)
    if body.startswith(b"\n") or not body.endswith(b"\n"):
        return Skip(Why.UNREADABLE)
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")[:-1]]
    if len(lines) % 2 and not lines[-1].strip(_BLANK):
        lines.pop()  # the engines accept one blank line at the end
    if not lines or len(lines) % 2:
        return Skip(Why.UNREADABLE)
    shared = {name: params[name] for name in INDEX_OPTIONS if name in params}
    try:
        return [
            _search(header, line, target, shared, templates)
            for header, line in zip(lines[::2], lines[1::2], strict=True)
        ]
    except (ValueError, RecursionError):
        return Skip(Why.UNREADABLE)


def write(lines: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write headers and bodies, one line each; a newline can only be between the tokens of a body."""
    return b"".join(header + b"\n" + body.replace(b"\n", b" ") + b"\n" for header, body in lines)


def responses(body: bytes) -> MultiSearchResponse | None:
    """Locate the response of each search; None if the body is anything else."""
    try:
        array = member(body, ["responses"])
        if array is None:
            return None
        return MultiSearchResponse(body, tuple(span.moved(array.start) for span in elements(array.of(body))))
    except (ValueError, RecursionError):
        return None


def _search(header: bytes, body: bytes, target: str, shared: Mapping[str, str], templates: bool) -> ParsedSearch:
    """Read one search. Raises ValueError if it is none. A blank header is an empty one."""
    header = header if header.strip(_BLANK) else b"{}"
    members(header)  # refuses a repeated member
    values = msgspec.json.decode(header, type=dict[str, Any])
    msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    named = {snake_case(name): value for name, value in values.items() if value is not None}
    options = {name: _parameter(value) for name, value in named.items() if name in _OPTIONS}
    return ParsedSearch(_target(values, target), {**shared, **options}, body, body if templates else None, header)


def _target(values: Mapping[str, Any], target: str) -> str:
    """Return the index expression of a header. Raises ValueError if no expression can stand for it."""
    match [values[name] for name in _TARGET if name in values]:
        case []:
            return target
        case [str(name)]:
            return name
        case [list(names)] if all(isinstance(one, str) and _INDEX_NAME.fullmatch(one) for one in names):
            return ",".join(names)
    raise ValueError("no index expression")


def _parameter(value: Any) -> str:
    """Return a header's value as a URL parameter would have it."""
    if isinstance(value, list):
        return ",".join(map(_parameter, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
