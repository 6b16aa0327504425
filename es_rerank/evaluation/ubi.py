"""Reads impressions and clicks from records of User Behavior Insights (UBI).

UBI records each search in `ubi_queries`, with the ids of its hits, and each action of a user, such as a click, in
`ubi_events`. The actions after a search have the `query_id` of the search.

Formats: `query.request.schema.json` and `event.schema.json` of https://github.com/o19s/ubi, versions 1.0 to 1.3, and
the records of OpenSearch's plugin (https://github.com/opensearch-project/user-behavior-insights).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from es_rerank.evaluation.click_log import normalized
from es_rerank.evaluation.click_model import Impression
from es_rerank.evaluation.log_lines import json_objects
from es_rerank.evaluation.source import InputError

# The values of `action_name` that count as a click by default.
CLICKS = ("click", "click_through")
_IMPRESSION = "impression"
# The ids of the hits: in the specification, and in the records of OpenSearch's plugin.
_HITS = ("query_response_hit_ids", "query_response_object_ids")
_FROM = ("query_attributes", "from")
_ORDINAL = ("event_attributes", "position", "ordinal")


class Record(NamedTuple):
    """A record of UBI. `place` is where it was read, for error messages: file and line, or index and id."""

    place: str
    values: Mapping[str, Any]

    def error(self, name: str, problem: str) -> InputError:
        """Return the error for a problem with the field *name*."""
        return InputError(f"{self.place}: {name}: {problem}")


@dataclass(slots=True)
class Ignored:
    """How many records were ignored, by reason.

    Attributes:
        clicks: Clicks on documents that were not shown, and clicks whose `query_id` is missing or unknown.
        repeated: Searches with the `query_id` of an earlier search.
        unnamed: Searches without a query text, or without a `query_id`.

    """

    clicks: int = 0
    repeated: int = 0
    unnamed: int = 0


@dataclass(slots=True)
class Behavior:
    """The clicks and the impressions of all searches.

    Attributes:
        clicked: For each `query_id`, the ids of the clicked documents.
        shown: For each `query_id`, the position of each document that has an `impression` event.
        ignored: The numbers of records that were ignored because they cannot be used.

    """

    clicked: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shown: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    ignored: Ignored = field(default_factory=Ignored)


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records in a JSON Lines file. A line is a record, or an exported hit with the record in `_source`.

    Raises:
        InputError: If the file cannot be read, or a line is not a JSON object.

    """
    for line, row in json_objects(path):
        source = row.get("_source")
        yield Record(f"{path}:{line}", source if isinstance(source, dict) else row)


def read_events(events: Iterable[Record], clicks: Sequence[str] = CLICKS) -> Behavior:
    """Return the clicks and the impressions of all searches.

    Args:
        events: Records of `ubi_events`. All actions except clicks and impressions are ignored.
        clicks: The values of `action_name` that count as a click.

    Raises:
        InputError: If a field of a click or an impression has the wrong type.

    """
    behavior = Behavior()
    for event in events:
        action = _text(event, "action_name")
        if action not in clicks and action != _IMPRESSION:
            continue
        query, document = _text(event, "query_id"), _document(event)
        if action in clicks:
            behavior.ignored.clicks += not (query and document)
        if not (query and document):
            continue
        if action in clicks:
            behavior.clicked[query].add(document)
        else:
            behavior.shown[query].setdefault(document, _ordinal(event))
    return behavior


def impressions(queries: Iterable[Record], behavior: Behavior) -> Iterator[Impression]:
    """Yield the impressions of searches.

    If a search has `impression` events, only their documents count as shown, at the positions in the events. Otherwise,
    all hits of its response count as shown. If several searches have the same `query_id`, only the first one counts.

    Args:
        queries: Records of `ubi_queries`.
        behavior: The clicks and impressions of these searches. They are removed when they are used, and
            `behavior.ignored` is updated.

    Raises:
        InputError: If a field has the wrong type.

    """
    seen = set()
    for query in queries:
        key, text = _text(query, "query_id"), normalized(_query_text(query))
        if key in seen:
            behavior.ignored.repeated += 1
        elif not key or not text:
            behavior.ignored.unnamed += 1
        else:
            seen.add(key)
            shown = behavior.shown.pop(key, None) or _hits(query)
            clicked = behavior.clicked.pop(key, set())
            behavior.ignored.clicks += len(clicked - shown.keys())
            yield from (Impression(text, one, position, one in clicked) for one, position in shown.items())
    behavior.ignored.clicks += sum(map(len, behavior.clicked.values()))


def _hits(query: Record) -> dict[str, int]:
    """Return the rank of each hit of a response, by its id. The first hit has the rank `query_attributes.from` + 1."""
    name = next((one for one in _HITS if query.values.get(one)), _HITS[0])
    hits = query.values.get(name) or []
    if not isinstance(hits, list):
        raise query.error(name, "must be a list of ids")
    before = _value(query, *_FROM) or 0
    if not str(before).isdecimal():
        raise query.error(".".join(_FROM), f"{before!r} is not a number of hits")
    found: dict[str, int] = {}
    for position, hit in enumerate(hits, int(before) + 1):
        found.setdefault(str(hit), position)
    return found


def _query_text(query: Record) -> str:
    """Return the text that the user entered. It is in `user_query` or, with newer plugins, in `user_query.text`."""
    in_object = isinstance(query.values.get("user_query"), dict)
    return _text(query, "user_query", "text") if in_object else _text(query, "user_query")


def _document(event: Record) -> str:
    """Return the id of the document of an event; empty if it concerns no document, such as a click on a button."""
    return _text(event, "event_attributes", "object", "object_id")


def _ordinal(event: Record) -> int:
    """Return the position of an impression, from 1."""
    position = _value(event, *_ORDINAL)
    if not isinstance(position, int) or position < 1:
        raise event.error(".".join(_ORDINAL), f"{position!r} is not a position: the first is 1")
    return position


def _text(record: Record, *path: str) -> str:
    """Return the string or integer at a path as text; empty if it is missing."""
    value = _value(record, *path)
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise record.error(".".join(path), "must be a string")
    return str(value).strip()


def _value(record: Record, *path: str) -> Any:
    """Return the value at a path through objects; None if it is missing."""
    value: Any = record.values
    for depth, name in enumerate(path):
        if not isinstance(value, dict):
            raise record.error(".".join(path[:depth]), "must be an object")
        value = value.get(name)
        if value is None:
            return None
    return value
