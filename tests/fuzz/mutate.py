"""Mutates inputs so that most remain JSON: subtrees move, numbers become extreme, members are repeated, arrays nest.

Blind mutations of bytes, which are made too, rarely get past a parser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any

from es_rerank.search.engine_request.two_phase import PAGE_PARAMETERS
from es_rerank.search.phases import PAGE_PARTS, WINDOW_PARTS
from es_rerank.search.query_text.clauses import CLAUSES
from es_rerank.search.query_text.retrievers import RETRIEVERS
from tests.fuzz.inputs import SEPARATOR

Blind = Callable[[bytes, Random], bytes]
"""Changes bytes without regard to their format."""

_OTHER_NAMES = """
_explanation _id _index _ignored _routing _score _type boost chunk_rescorer comments data details doc docs embedding
error ext field filter filter_path format functions hits id index inference_text inner_hits input intervals is_partial
is_running like max_score metric min_score model_text must must_not nested normalizer params pit positive preference q
queries query_context query_text query_text_path query_vector_builder rank rank_window_size ratings relevance_score
rerank request requests rescore responses results retriever retrievers routing score scroll search_after
search_pipeline should slice sort source source_content_type state status sub_searches tagline task_settings template
template_id template_output templates text text_embedding took top_hits top_n total value version weight window_size
title body tag secret title.english comments.said _all _none_ * ** a.b -hits hits.*._id
"""
NAMES = tuple(
    dict.fromkeys([*CLAUSES, *RETRIEVERS, *sorted(WINDOW_PARTS | PAGE_PARTS | PAGE_PARAMETERS), *_OTHER_NAMES.split()])
)
_EXTREME_NUMBERS = """
0 -0 -0.0 1 -1 2 10 50 10000 2147483647 2147483648 9223372036854775807 9223372036854775808 18446744073709551616
1e2 1E+2 1.0E-5 1e308 1e309 -1e309 1e-400 0.1 1.50 1.7014122E38 1.7E38 3.4028235E38 4.9E-324
0.1000000000000000055511151 123456789012345678901234567890
"""
_NUMBERS = _EXTREME_NUMBERS.split()
_TEXTS = (
    "", " ", "\n", "\t", "\x00", "\x1f", "\x85", "\u2028", "é", "e\u0301", "庭", "ß", "İ", "😀", "\ufeff", "\udc80",
    "\ud83d", '"', "\\", "/", "}],{", "NaN", "Infinity", "true", "null", "1_0", "0x10", "١", "a.b", "*", "**",
    "{title}", "_score", "_none_", "AND", "NOT", "a^2", "title:x", "(", "[1 TO", "c++", "\\u0041", "====", "<|im_end|>",
)  # fmt: skip
_SPACES = ((",", ":"), (",", ":"), (", ", ": "), (" , ", " : "), (",\n  ", " : "), ("\r\n,\t", ":"))
_MAX_DEPTH = 1200
_OPENINGS = (("[", "]"), ('{"a":', "}"), ('{"query":', "}"), ('{"bool":{"must":[', "]}}"), ('[{"hits":', "}]"))
# Larger inputs take too long to be mutated thousands of times.
_MAX_PARSED_BYTES = 40_000
_MAX_POOL_SIZE = 3000


class Token(str):
    """JSON text that is written unchanged."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """An object as a list of members, in order and with duplicates."""


Spot = tuple[list[Any], int]
"""A container and an index in it."""


def parsed(part: bytes) -> Any:
    """Parse JSON and keep the text of every number. Raises ValueError or RecursionError."""
    return json.loads(
        part.decode("utf-8"), object_pairs_hook=Members, parse_int=Token, parse_float=Token, parse_constant=Token
    )


def written(node: Any, random: Random) -> bytes:
    """Write JSON with random white space and escapes."""
    comma, colon = random.choice(_SPACES)
    escaped = random.random() < 0.5

    def pieces(one: Any) -> str:
        if isinstance(one, Token):
            return one
        if isinstance(one, str):
            return json.dumps(one, ensure_ascii=escaped or _lone(one))
        if isinstance(one, Members):
            return "{" + comma.join(f"{json.dumps(name)}{colon}{pieces(value)}" for name, value in one) + "}"
        if isinstance(one, list):
            return "[" + comma.join(map(pieces, one)) + "]"
        return "null" if one is None else str(one).lower()

    return pieces(node).encode("utf-8", "replace")


def _lone(one: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in one)


def _spots(root: list[Any]) -> list[Spot]:
    """List all positions in a tree."""
    found: list[Spot] = []
    pending = [root]
    while pending:
        container = pending.pop()
        for at in range(len(container)):
            found.append((container, at))
            inner = _get((container, at))
            if isinstance(inner, list):
                pending.append(inner)
    return found


def _get(spot: Spot) -> Any:
    container, at = spot
    return container[at][1] if isinstance(container, Members) else container[at]


def _put(spot: Spot, value: Any) -> None:
    container, at = spot
    container[at] = (container[at][0], value) if isinstance(container, Members) else value


def _copied(node: Any) -> Any:
    """Copy a tree."""
    if isinstance(node, Members):
        return Members((name, _copied(value)) for name, value in node)
    return [_copied(one) for one in node] if isinstance(node, list) else node


def scalar(random: Random) -> Any:
    """Return a value that programs often fail on."""
    kind = random.randrange(4)
    if kind == 0:
        return Token(random.choice(_NUMBERS))
    if kind == 1:
        return random.choice((True, False, None))
    return random.choice(_TEXTS) if kind == 2 else random.choice(NAMES)


class Mutator:
    """Mutates inputs of one target, using the parts of its seeds."""

    def __init__(self, seeds: Iterable[bytes], blind: Blind) -> None:
        """Collect the parts and the JSON values of the seeds."""
        self._blind = blind
        self._pool: list[Any] = []
        self._parts: list[bytes] = []
        for seed in seeds:
            for part in seed.split(SEPARATOR):
                self._parts.append(part)
                for text in (part, *part.split(b"\n")):
                    self._pool += _subtrees(text)[: max(0, _MAX_POOL_SIZE - len(self._pool))]

    def __call__(self, data: bytes, random: Random) -> bytes:
        """Mutate one part of an input."""
        parts = data.split(SEPARATOR)
        at = random.randrange(len(parts))
        if random.random() < 0.03 and self._parts:
            parts[at] = random.choice(self._parts)
        else:
            parts[at] = self._part(parts[at], random)
        return SEPARATOR.join(parts)

    def _part(self, part: bytes, random: Random) -> bytes:
        if len(part) <= _MAX_PARSED_BYTES and random.random() < 0.9:
            lines = part.split(b"\n")
            try:
                return self._json(part, random)
            except (ValueError, RecursionError):
                at = random.randrange(len(lines))
            try:
                lines[at] = self._json(lines[at], random)
                return b"\n".join(lines)
            except (ValueError, RecursionError):
                pass
        return self._blind(part, random) if random.random() < 0.7 else self._spliced(part, random)

    def _spliced(self, part: bytes, random: Random) -> bytes:
        """Insert a name or a text into bytes, or repeat a part of them."""
        at = random.randint(0, len(part))
        to = min(len(part), at + random.choice((0, 0, 1, 3, 10)))
        new = random.choice((*_TEXTS, *NAMES)).encode("utf-8", "surrogatepass")
        if random.random() < 0.3:
            new = part[at:to] * random.randint(2, 40)
        return part[:at] + new + part[to:]

    def _json(self, part: bytes, random: Random) -> bytes:
        root = [parsed(part)]
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            spot = random.choice(_spots(root))
            random.choice(CHANGES)(self, spot, random)
        return written(root[0], random)

    def _any(self, random: Random) -> Any:
        return _copied(random.choice(self._pool)) if self._pool and random.random() < 0.6 else scalar(random)

    def replace(self, spot: Spot, random: Random) -> None:
        _put(spot, self._any(random))

    def number(self, spot: Spot, random: Random) -> None:
        old = _get(spot)
        near = isinstance(old, Token) and old.lstrip("-").isdecimal() and len(old) < 20
        _put(spot, Token(int(old) + random.randint(-3, 3)) if near else Token(random.choice(_NUMBERS)))

    def texts(self, spot: Spot, random: Random) -> None:
        old = _get(spot)
        if isinstance(old, str):
            at = random.randint(0, len(old))
            _put(spot, old[:at] + random.choice((*_TEXTS, *NAMES, old)) + old[random.randint(at, len(old)) :])

    def remove(self, spot: Spot, random: Random) -> None:
        container, at = spot
        inner = _get(spot)
        if isinstance(inner, list) and inner:
            del inner[random.randrange(len(inner))]
        elif len(container) > 1:
            del container[at]

    def repeat(self, spot: Spot, random: Random) -> None:
        inner = _get(spot)
        if isinstance(inner, list) and inner:
            inner.insert(random.randint(0, len(inner)), _copied(random.choice(inner)))

    def insert(self, spot: Spot, random: Random) -> None:
        inner = _get(spot)
        if isinstance(inner, Members):
            inner.insert(random.randint(0, len(inner)), (random.choice(NAMES), self._any(random)))
        elif isinstance(inner, list):
            inner.insert(random.randint(0, len(inner)), self._any(random))

    def rename(self, spot: Spot, random: Random) -> None:
        container, at = spot
        if isinstance(container, Members):
            name = random.choice(NAMES) if random.random() < 0.8 else random.choice(_TEXTS)
            container[at] = (name, container[at][1])

    def shuffle(self, spot: Spot, random: Random) -> None:
        inner = _get(spot)
        if isinstance(inner, list):
            random.shuffle(inner)

    def wrap(self, spot: Spot, random: Random) -> None:
        old = _get(spot)
        _put(spot, [old] if random.random() < 0.4 else Members([(random.choice(NAMES), old)]))

    def unwrap(self, spot: Spot, random: Random) -> None:
        inner = _get(spot)
        if isinstance(inner, list) and inner:
            _put(spot, _get((inner, random.randrange(len(inner)))))

    def move(self, spot: Spot, random: Random) -> None:
        others = _spots([_get(spot)])
        _put(random.choice(_spots([spot[0]])), _copied(_get(random.choice(others))))

    def deepen(self, spot: Spot, random: Random) -> None:
        if random.random() < 0.3:
            opening, closing = random.choice(_OPENINGS)
            depth = random.choice((3, 30, random.randint(1, _MAX_DEPTH)))
            _put(spot, Token(opening * depth + "1" + closing * depth))


CHANGES: Sequence[Callable[[Mutator, Spot, Random], None]] = (
    Mutator.replace,
    Mutator.replace,
    Mutator.number,
    Mutator.texts,
    Mutator.remove,
    Mutator.repeat,
    Mutator.insert,
    Mutator.insert,
    Mutator.rename,
    Mutator.shuffle,
    Mutator.wrap,
    Mutator.unwrap,
    Mutator.move,
    Mutator.deepen,
)


def _subtrees(text: bytes) -> list[Any]:
    """List all values of a JSON text, nested ones included; none if it is not JSON."""
    try:
        root = [parsed(text)]
    except (ValueError, RecursionError):
        return []
    return [_get(spot) for spot in _spots(root)]


def shaken(part: bytes, random: Random) -> bytes:
    """Mutate bytes blindly: change one, drop a few, or repeat a few."""
    if not part:
        return bytes([random.randrange(256)])
    at = random.randrange(len(part))
    to = min(len(part), at + random.randint(1, 8))
    return random.choice(
        (
            part[:at] + bytes([random.randrange(256)]) + part[at + 1 :],
            part[:at] + part[to:],
            part[:at] + part[at:to] + part[at:],
        )
    )


def walked(seeds: Sequence[bytes], mutator: Mutator, random: Random, count: int) -> Iterator[bytes]:
    """Yield *count* inputs, each some mutations away from a seed."""
    for _ in range(count):
        data = random.choice(seeds)
        for _ in range(random.randint(1, 5)):
            data = mutator(data, random)
        yield data
