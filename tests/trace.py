"""Prints the functions that one search calls, in order, grouped by module: `python -m tests.trace`.

The search goes through a running endpoint, with a fake engine and a fake rerank server in the same process. Earlier
searches have filled the caches of mappings and connections. Resuming a coroutine or a generator is not a call.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import es_rerank
from es_rerank.testing import (
    CAPS,
    FakeResponse,
    FakeServer,
    fake_settings,
    running_endpoint,
    score_response,
    search_response,
    serve_fake,
)

_PACKAGE = Path(es_rerank.__file__).parent
_FAKES = _PACKAGE / "testing.py"
_HITS = 4
_EARLIER_SEARCHES = 3
# The lowest two bits of the argument of the instruction RESUME are 0 at the start of a function, and not 0 after a
# `yield` or an `await`: https://docs.python.org/3/library/dis.html#opcode-RESUME
_RESUMED = 0b11


class Call(NamedTuple):
    """A call of a function: the path of its module within the package, and its qualified name."""

    module: str
    function: str


class Trace:
    """Records the calls of functions of the package while the block runs, except those of the fakes."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __enter__(self) -> list[Call]:
        sys.setprofile(self._record)
        return self.calls

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _record(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and not code.co_code[frame.f_lasti + 1] & _RESUMED:
            path = Path(code.co_filename)
            if path.is_relative_to(_PACKAGE) and path != _FAKES:
                self.calls.append(Call(path.relative_to(_PACKAGE).as_posix(), code.co_qualname))


async def calls_of_a_search() -> list[Call]:
    """Return the calls of one search whose window has four hits."""
    hits = [(f"{number}", 9.0 - number, f"a garden hose of {number} metres") for number in range(_HITS)]
    caps = FakeResponse(json.dumps(CAPS).encode())
    engine = FakeServer({"/docs/_field_caps": caps, "": FakeResponse(search_response(*hits))})
    model = FakeServer({"": score_response({"3 metres": 3.0})})
    async with serve_fake(engine), serve_fake(model), running_endpoint(fake_settings(engine, model)) as endpoint:
        for number in range(_EARLIER_SEARCHES):
            await endpoint.search(f"hose {number}")
        with Trace() as calls:
            reply = await endpoint.search("garden hose")
    assert reply.ids[0] == "3", reply.headers["X-Rerank"]
    return calls


def lines(calls: Sequence[Call]) -> Iterator[str]:
    """Yield a line for each change to another module, with the functions called there, and a summary."""
    groups = [(module, list(group)) for module, group in groupby(calls, lambda call: call.module)]
    for module, group in groups:
        names = [call.function for call in group if "<" not in call.function.rpartition(".")[2]]
        if names:
            yield f"{module}: {' '.join(dict.fromkeys(names))}"
    yield f"{len({call.module for call in calls})} modules, {len(groups) - 1} changes, {len(calls)} calls"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines(asyncio.run(calls_of_a_search()))) + "\n")
