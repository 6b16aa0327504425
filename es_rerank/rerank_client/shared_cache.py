"""A cache of scores or vectors that all processes share. The values are in a store such as Redis.

Each process first looks in its own cache. A lookup in the store has a time limit, and returns nothing if the store
fails or does not answer in time (is late). After several such lookups in a row, the store gets no lookups until it
answers a ping, which is sent in the background.
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog

from es_rerank.model import Failed, Why

log = structlog.get_logger()

Value = TypeVar("Value")

# After this many failed or late lookups in a row, the store gets no lookups until it answers a ping. The lookups must
# be spread over at least this time, because a single pause of this process, such as a garbage collection, makes all
# lookups in flight late.
_MAX_FAULTS, _FAULT_SECONDS = 5, 0.1
_PING_PAUSE_SECONDS = 1.0
# Maximum number of iterations of the event loop from the arrival of an answer to the end of its lookup.
_TURNS = 5
# Values are written in the background, at most _MAX_BATCH in one request. If more than _MAX_WAITING values would have
# to wait, new values are not stored.
_MAX_BATCH, _MAX_WAITING = 500, 10_000
_LATE = Failed(Why.DEADLINE, "lookups take longer than shared_cache_timeout")


class Store(Protocol):
    """A store of values, such as `RedisStore`. Failures are returned, not raised."""

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None] | Failed:
        """Return the value of each key; None for a key without a value."""

    async def put_many(self, values: Mapping[bytes, bytes]) -> Failed | None:
        """Store values by key. Return the failure, or None."""

    async def ping(self) -> Failed | None:
        """Check the connection. Return the failure, or None."""

    async def close(self) -> None:
        """Close all connections."""


class Codec(NamedTuple, Generic[Value]):
    """Converts values to bytes and back. `decode` returns None for bytes that are not a valid value."""

    encode: Callable[[Value], bytes]
    decode: Callable[[bytes], Value | None]


def _read_score(data: bytes) -> float | None:
    """Decode a score. Return None if the bytes are not a finite number."""
    score: float = struct.unpack("<d", data)[0] if len(data) == struct.calcsize("<d") else math.nan
    return score if math.isfinite(score) else None


SCORES: Codec[float] = Codec(lambda score: struct.pack("<d", score), _read_score)
VECTORS: Codec[bytes] = Codec(lambda vector: vector, lambda data: data or None)


class SharedCache(Generic[Value]):
    """The scores or vectors of one model in a store.

    Attributes:
        counts: Number of values that were looked up, by result: `hit`, `miss`, or `unavailable` if the store failed,
            was late, or got no lookup.

    """

    def __init__(
        self,
        store: Store,
        codec: Codec[Value],
        prefix: str,
        seconds: float,
        found: Callable[[Collection[bytes], Collection[Value]], None],
    ) -> None:
        """Keep the values of one model in *store*.

        Args:
            store: The store.
            codec: Converts values to bytes and back.
            prefix: The start of all keys. It names everything about the model that is not part of the digests.
            seconds: Time limit of a lookup, in seconds.
            found: Called with the keys and values of each lookup, even if they arrive too late for the search.

        """
        self.counts: Counter[str] = Counter()
        self._store = store
        self._codec = codec
        self._prefix = prefix.encode()
        self._seconds = seconds
        self._found = found
        self._faults, self._first_fault_at = 0, 0.0
        self._paused = self._stopped = False
        self._waiting: dict[bytes, bytes] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writer: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else "paused" if self._paused else "in use"
        return f"<SharedCache {self._prefix.decode()} {state}: {dict(self.counts)}, {len(self._waiting)} to write>"

    async def start(self) -> None:
        """Connect to the store, so that the first search does not wait for the connection."""
        await self._store.ping()

    async def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, Value]:
        """Return the stored values by key; empty if the store fails or is late."""
        found: Mapping[bytes, Value] | None = None
        if self._is_used:
            read = self._start(self._read(keys))
            await self._wait(read)
            if not read.done():
                self._fault(_LATE)
            elif (found := read.result()) is not None:
                self._faults = 0
        if found is None:
            self.counts["unavailable"] += len(keys)
            return {}
        self.counts["hit"] += len(found)
        self.counts["miss"] += len(keys) - len(found)
        return found

    def put_many(self, keys: Collection[bytes], values: Collection[Value]) -> None:
        """Store *values*, given in the order of *keys*, in the background."""
        if not self._is_used or len(self._waiting) + len(keys) > _MAX_WAITING:
            return
        encode, prefix = self._codec.encode, self._prefix
        self._waiting |= {prefix + key: encode(value) for key, value in zip(keys, values, strict=True)}
        if self._writer is None or self._writer.done():
            self._writer = self._start(self._write())

    def stop(self, reason: str) -> None:
        """Stop using the store until a restart, because its values are wrong. Log the reason."""
        self._stopped = True
        log.error("shared cache stopped", reason=reason)

    async def close(self) -> None:
        """Stop all work, and close all connections. Values that have not been written are dropped."""
        self._stopped = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._store.close()

    @property
    def _is_used(self) -> bool:
        """Whether lookups and new values are sent to the store."""
        return not self._paused and not self._stopped

    async def _wait(self, read: asyncio.Task[Any]) -> None:
        """Wait for a lookup until its time limit. An answer that arrived while the event loop was busy is in time."""
        await asyncio.wait({read}, timeout=self._seconds)
        for _ in range(_TURNS):
            if read.done():
                return
            await asyncio.sleep(0)

    async def _read(self, keys: Sequence[bytes]) -> Mapping[bytes, Value] | None:
        """Look up values. Return None if the store failed."""
        answer = await self._store.get_many([self._prefix + key for key in keys])
        if isinstance(answer, Failed):
            self._fault(answer)
            return None
        decode = self._codec.decode
        read = ((key, decode(data)) for key, data in zip(keys, answer, strict=True) if data is not None)
        found = {key: value for key, value in read if value is not None}
        self._found(found.keys(), found.values())
        return found

    async def _write(self) -> None:
        """Store the waiting values. If that fails, they are dropped."""
        while self._waiting:
            batch = dict(islice(self._waiting.items(), _MAX_BATCH))
            if failure := await self._store.put_many(batch):
                self._waiting.clear()
                self._fault(failure)
            for key in batch:
                self._waiting.pop(key, None)

    def _fault(self, failure: Failed) -> None:
        """Count a failure. After several consecutive failures, stop requests to the store."""
        now = time.monotonic()
        if not self._faults:
            self._first_fault_at = now
        self._faults += 1
        if self._faults >= _MAX_FAULTS and now - self._first_fault_at >= _FAULT_SECONDS and self._is_used:
            self._paused = True
            log.warning("shared cache failed, searches do not use it", reason=failure.detail)
            self._start(self._recover())

    async def _recover(self) -> None:
        """Wait until the store answers a ping, and use it again."""
        failure: Failed | None = _LATE
        while failure:
            await asyncio.sleep(_PING_PAUSE_SECONDS)
            failure = await self._store.ping()
        self._faults, self._paused = 0, False
        log.info("shared cache is used again")

    def _start(self, work: Coroutine[None, None, Any]) -> asyncio.Task[Any]:
        """Run *work* in a task that `close` cancels."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
