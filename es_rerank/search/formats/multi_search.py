"""`_msearch`: parses the lines of a request, and locates the response of each search in the engine's response.

Format: for each search a header line and a body line, each terminated by a newline. The response is
`{"took": ..., "responses": [...]}` with, for each search, a search response or `{"error", "status"}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import msgspec

from es_rerank.jsonspan import Span, check_depth, decode, elements, member, members, splice
from es_rerank.jsonspan.repair import MAX_BYTES_WITH_COMMENTS, without_comments
from es_rerank.model import DEFAULT_BUDGET, Skip, Why
from es_rerank.search.formats.endpoints import INDEX_OPTIONS, MAX_SEARCHES, ParsedSearch
from es_rerank.search.naming import snake_case

_TARGET = ("index", "indices")
# Header members other than the indices. They have the same names as the corresponding URL parameters.
_OPTIONS = INDEX_OPTIONS | {
    "allow_partial_search_results",
    "ccs_minimize_roundtrips",
    "preference",
    "request_cache",
    "routing",
    "search_type",
}
# In a list of index names, the engines take a comma as part of a name, and reject an empty name.
_INDEX_NAME = re.compile(r"[^,]+")
_BLANK = b" \t\r"


@dataclass(frozen=True, slots=True)
class MultiSearchResponse:
    """The response to many searches: its body, and the byte span of each search's response."""

    body: bytes
    responses: tuple[Span, ...]

    def response(self, index: int) -> bytes:
        """Return the response to the search at a position. It may be an error."""
        return self.responses[index].of(self.body)

    def success(self, index: int) -> bytes | None:
        """Return the response to the search at a position; None if it is an error."""
        response = self.response(index)
        try:
            found = members(response)
            status = msgspec.json.decode(found["status"].of(response)) if "status" in found else HTTPStatus.OK
        except ValueError:
            return None
        return response if status == HTTPStatus.OK and "error" not in found else None

    def with_responses(self, replaced: Mapping[int, bytes]) -> bytes:
        """Return the body with the responses at some positions replaced; all other bytes are unchanged."""
        return splice(
            self.body,
            [(self.responses[index].start, self.responses[index].end, new) for index, new in replaced.items()],
        )


def read(
    body: bytes, target: str, params: Mapping[str, str], *, templates: bool = False
) -> Sequence[ParsedSearch] | Skip:
    """Parse the searches or templates of a request.

    Args:
        body: The request body.
        target: The index expression of the path, for searches whose header has none.
        params: The decoded URL parameters.
        templates: Whether the body lines are templates.

    Returns:
        The searches in request order; a skip if the engines reject the request or interpret it differently, so that the
        client gets the engine's own result.

    """
    if body.count(b"\n") > 2 * MAX_SEARCHES + 1:
        return Skip(Why.TOO_LARGE)
    if body.startswith(b"\n") or not body.endswith(b"\n"):
        return Skip(Why.UNREADABLE)
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n")[:-1]]
    if len(body) <= MAX_BYTES_WITH_COMMENTS:
        lines = list(map(without_comments, lines))
    if len(lines) % 2 and not lines[-1].strip(_BLANK):
        lines.pop()  # the engines accept one blank line at the end
    if not lines or len(lines) % 2:
        return Skip(Why.UNREADABLE)
    budget = DEFAULT_BUDGET.shared(len(lines) // 2)
    if not all(map(budget.covers, lines[::2])):
        return Skip(Why.TOO_COMPLEX)
    shared = {name: params[name] for name in INDEX_OPTIONS if name in params}
    whole = ParsedSearch(target, shared, b"", budget=budget)
    try:
        return [
            _search(header, line, replace(whole, body=line, template=line if templates else None))
            for header, line in zip(lines[::2], lines[1::2], strict=True)
        ]
    except ValueError:
        return Skip(Why.UNREADABLE)


def write(lines: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Serialize headers and bodies, one line each. Newlines in a body (only whitespace in JSON) become spaces."""
    return b"".join(header + b"\n" + body.replace(b"\n", b" ") + b"\n" for header, body in lines)


def responses(body: bytes) -> MultiSearchResponse | None:
    """Return an `_msearch` response with the span of each search's response; None if the body has another format."""
    try:
        check_depth(body)
        array = member(body, ["responses"])
        if array is None:
            return None
        return MultiSearchResponse(body, tuple(span.moved(array.start) for span in elements(array.of(body))))
    except ValueError:
        return None


def _search(header: bytes, body: bytes, search: ParsedSearch) -> ParsedSearch:
    """Return the search of a header line (`{}` if blank) and a body line. Raises ValueError if a line is invalid."""
    header = header if header.strip(_BLANK) else b"{}"
    values = decode(header, dict[str, Any])
    members(header)  # raises ValueError for a duplicate key
    if search.budget.covers(body):
        decode(body, dict[str, msgspec.Raw])
    named = {snake_case(name): value for name, value in values.items() if value is not None}
    options = {name: _parameter(value) for name, value in named.items() if name in _OPTIONS}
    return replace(search, target=_target(values, search.target), params={**search.params, **options}, header=header)


def _target(values: Mapping[str, Any], target: str) -> str:
    """Return the index expression of a header. Raises ValueError if the header's indices are invalid."""
    match [values[name] for name in _TARGET if name in values]:
        case []:
            return target
        case [str(name)]:
            return name
        case [list(names)] if all(isinstance(one, str) and _INDEX_NAME.fullmatch(one) for one in names):
            return ",".join(names)
    raise ValueError("no index expression")


def _parameter(value: Any) -> str:
    """Convert a value from a header line to its URL parameter string."""
    if isinstance(value, list):
        return ",".join(map(_parameter, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
