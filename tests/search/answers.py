"""Responses of `_search` as bytes that an engine may send: any white space, any escapes, any numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from hypothesis import strategies as st

SPACES = st.sampled_from([("",), ("",), (" ",), ("", " ", "\n  "), ("\t", "", " \r\n", "", "")])
STRINGS = st.builds(json.dumps, st.text(max_size=10), ensure_ascii=st.booleans()) | st.sampled_from(
    ['"\\u00e9\\ud83d\\ude00"', '"\\/ \\" \\\\"', '"}],{"', '"_score\\":1"']
)
NUMBERS = st.sampled_from(
    ["0", "-0.0", "1.50", "1E+2", "123456789012345678901234567890", "0.1000000000000000055511151"]
)


def _object(draw: st.DrawFn, members: Sequence[tuple[str, str]]) -> str:
    """Write an object with white space in any place."""
    space = cycle(draw(SPACES))
    texts = (f"{next(space)}{key}{next(space)}:{next(space)}{value}{next(space)}" for key, value in members)
    return "{" + ",".join(texts) + "}"


@st.composite
def _members(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(st.text(max_size=4).map(json.dumps), unique=True, max_size=3))
    return _object(draw, [(key, draw(inner)) for key in keys])


@st.composite
def _array(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    space = cycle(draw(SPACES))
    return "[" + ",".join(f"{next(space)}{draw(inner)}{next(space)}" for _ in range(draw(st.integers(0, 3)))) + "]"


VALUES = st.recursive(
    STRINGS | NUMBERS | st.sampled_from(["true", "false", "null"]),
    lambda inner: _members(inner) | _array(inner),
    max_leaves=4,
)


@dataclass(frozen=True)
class Answer:
    """A response, and the bytes and scores of its hits in their order."""

    text: bytes
    hits: tuple[bytes, ...]
    scores: tuple[float, ...]


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Draw a response whose hits have the `_id`s 0, 1, 2 and so on, and decreasing scores."""
    count = draw(st.integers(0, 5))
    scores = tuple(float(2 * (count - index)) for index in range(count))
    hits = tuple(draw(_hit(index, score)) for index, score in enumerate(scores))
    space = cycle(draw(SPACES))
    array = "[" + ",".join(f"{next(space)}{hit}{next(space)}" for hit in hits) + next(space) + "]"
    max_score = str(scores[0]) if scores else "null"
    inner = [('"total"', draw(VALUES)), ('"max_score"', max_score), ('"hits"', array)]
    others = [('"took"', "3"), ('"aggregations"', draw(VALUES)), ('"h\\u0069ts2"', draw(VALUES))]
    response = _object(draw, draw(st.permutations([*others, ('"hits"', _object(draw, draw(st.permutations(inner))))])))
    return Answer(response.encode(), tuple(hit.encode() for hit in hits), scores)


@st.composite
def _hit(draw: st.DrawFn, number: int, score: float) -> str:
    members = [
        ('"_id"', f'"{number}"'),
        ('"_score"', str(score)),
        ('"_source"', draw(VALUES)),
        ('"fields"', _object(draw, draw(st.sampled_from(FIELDS)))),
        ('"sort"', f"[{draw(SPACES)[0]}{score}{draw(SPACES)[-1]},{draw(VALUES)}]"),
        ('"_explanation"', _object(draw, [('"value"', str(score))])),
        ('"highlight"', draw(VALUES)),
    ]
    chosen = draw(st.lists(st.sampled_from(members[2:]), unique_by=lambda member: member[0]))
    return _object(draw, [('"_index"', '"docs"'), *draw(st.permutations([*members[:2], *chosen]))])


FIELDS = (
    [('"secret"', '["x"]')],
    [('"pk"', '["1"]')],
    [('"pk"', "[ 12345678901234567890123 ]"), ('"secret"', '["\\u00e9,"]'), ('"other"', "[]")],
)
