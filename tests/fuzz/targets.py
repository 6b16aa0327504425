"""The fuzz targets: functions that take any bytes and raise if an invariant is violated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.fuzz import answering, asking, connections, reading

Target = Callable[[bytes], None]

TARGETS: Mapping[str, Target] = {
    "wire": asking.wire,
    "connections": connections.connections,
    "requests": asking.requests,
    "words": asking.words,
    "plans": asking.plans,
    "rated": asking.rated,
    "passages": reading.passages,
    "cuts": reading.cuts,
    "scores": reading.scores,
    "answers": answering.answers,
    "pages": answering.pages,
    "many": answering.many,
    "wrapped": answering.wrapped,
    "filters": answering.filters,
    "presented": answering.presented,
}
