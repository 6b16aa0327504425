"""Rerankers of the supported families with random weights, and their reference scores by transformers.

Each has the architecture of the real model, a byte-level tokenizer with the special tokens and the label tokens of the
real one, and few, small layers. The scores are meaningless, but depend on every token of the prompt: equal scores mean
equal prompts. The prompts are written here as the model cards have them, independently of the profiles.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

CONTEXT = 1024
_SEED = 3
# Large weights, so that scores differ clearly.
_SPREAD = 0.35
# vLLM's attention on a CPU supports heads of 32, 64, 80 and more.
_SIZES: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": _SPREAD,
}
_DECODER: Mapping[str, Any] = {**_SIZES, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": CONTEXT}
# The ids are part of the architecture of jina-reranker-v3.
_JINA_TOKENS = {"<|embed_token|>": 151670, "<|rerank_token|>": 151671}
_JINA_VECTOR = 512
_JINA_TASK = (
    "You are a search relevance expert who can determine a ranking of the passages based on how relevant they are to "
    "the query. If the query is a question, how relevant a passage is depends on how well it answers the question. If "
    "not, try to analyze the intent of the query and assess how well each passage satisfies the intent. If an "
    "instruction is provided, you should follow the instruction when determining the ranking."
)
_MXBAI_TASK = (
    "You are a search relevance expert who evaluates how well documents match search queries. For each query-document "
    "pair, carefully analyze the semantic relationship between them, then provide your binary relevance judgment "
    "(0 for not relevant, 1 for relevant).\nRelevance:"
)
_GEMMA_TASK = (
    "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
    "prediction of either 'Yes' or 'No'."
)

Scores = list[float]


@dataclass(frozen=True)
class Family:
    """One family: the profile, the tokenizer's special tokens, and how to make the model and its reference scores.

    `single` and `pair` are the templates of the tokenizer; empty for none. `merges` make labels single tokens.
    `architecture` is the name in the configuration if transformers has no class for it.
    """

    profile: str
    special: tuple[str, ...]
    make: Callable[[Tokenizer], Any]
    reference: Callable[[Any, Tokenizer, str, Sequence[str]], Scores]
    single: str = ""
    pair: str = ""
    merges: tuple[tuple[str, str], ...] = ()
    architecture: str = ""


def tiny_model(family: Family, folder: Path) -> Path:
    """Write the model of a family to *folder*."""
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - takes ten seconds

    tokenizer = _tokenizer(family)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        family.make(tokenizer).float().save_pretrained(folder)
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=family.special[0])
        fast.save_pretrained(folder)
    if family.architecture:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "architectures": [family.architecture]}))
    return folder


def reference(family: Family, query: str, documents: Sequence[str]) -> Scores:
    """Return the raw score of each document, in float32."""
    import torch  # noqa: PLC0415

    tokenizer = _tokenizer(family)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return family.reference(family.make(tokenizer).float().eval(), tokenizer, query, documents)


def _tokenizer(family: Family) -> Tokenizer:
    """Return a byte-level tokenizer whose first tokens are the special ones."""
    pieces = [*family.special, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in family.merges)]
    vocabulary = {piece: at for at, piece in enumerate(pieces)}
    if family.profile == "jina-reranker-v3":
        vocabulary |= {f"unused {at}": at for at in range(len(pieces), min(_JINA_TOKENS.values()))} | _JINA_TOKENS
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(family.merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [*family.special, *(_JINA_TOKENS if family.profile == "jina-reranker-v3" else ())]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    if family.single:
        tokens = [(token, tokenizer.token_to_id(token)) for token in family.special]
        pair = family.pair or f"{family.single} $B"
        tokenizer.post_processor = processors.TemplateProcessing(family.single, pair, tokens)
    return tokenizer


def _seeded(model: Callable[[Any], Any], config: Any) -> Any:
    import torch  # noqa: PLC0415

    torch.manual_seed(_SEED)
    return model(config)


def _gemma(tokenizer: Tokenizer) -> Any:
    from transformers import GemmaConfig, GemmaForCausalLM  # noqa: PLC0415

    return _seeded(GemmaForCausalLM, GemmaConfig(vocab_size=tokenizer.get_vocab_size(), **_DECODER))


def _qwen2(tokenizer: Tokenizer) -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: PLC0415

    sizes = {name: value for name, value in _DECODER.items() if name != "head_dim"}
    return _seeded(Qwen2ForCausalLM, Qwen2Config(vocab_size=tokenizer.get_vocab_size(), **sizes))


def _xlm_roberta(tokenizer: Tokenizer) -> Any:
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification  # noqa: PLC0415

    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=CONTEXT + 2,
        type_vocab_size=1,
        num_labels=1,
        **{name: tokenizer.token_to_id(token) for name, token in (("bos_token_id", "<s>"), ("pad_token_id", "<pad>"))},
        eos_token_id=tokenizer.token_to_id("</s>"),
        **_SIZES,
    )
    return _seeded(XLMRobertaForSequenceClassification, config)


def _modern_bert(tokenizer: Tokenizer) -> Any:
    from transformers import ModernBertConfig, ModernBertForSequenceClassification  # noqa: PLC0415

    names = {"pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "bos": "[CLS]", "eos": "[SEP]"}
    config = ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=CONTEXT,
        num_labels=1,
        classifier_pooling="mean",
        **{f"{name}_token_id": tokenizer.token_to_id(token) for name, token in names.items()},
        **_SIZES,
    )
    return _seeded(ModernBertForSequenceClassification, config)


def _jina(tokenizer: Tokenizer) -> Any:
    import torch  # noqa: PLC0415
    from transformers import Qwen3Config, Qwen3ForCausalLM  # noqa: PLC0415

    config = Qwen3Config(vocab_size=tokenizer.get_vocab_size(), tie_word_embeddings=True, **_DECODER)
    model = _seeded(Qwen3ForCausalLM, config)
    size = config.hidden_size
    model.projector = torch.nn.Sequential(
        torch.nn.Linear(size, size // 2, bias=False),
        torch.nn.ReLU(),
        torch.nn.Linear(size // 2, _JINA_VECTOR, bias=False),
    )
    return model


def _ids(tokenizer: Tokenizer, *texts: str) -> Any:
    import torch  # noqa: PLC0415

    return torch.tensor([tokenizer.encode(*texts).ids])


def _gemma_scores(model: Any, tokenizer: Tokenizer, query: str, documents: Sequence[str]) -> Scores:
    yes = tokenizer.token_to_id("Yes")
    prompts = [f"A: {query}\nB: {document}\n{_GEMMA_TASK}" for document in documents]
    return [float(model(_ids(tokenizer, prompt)).logits[0, -1, yes]) for prompt in prompts]


def _mxbai_scores(model: Any, tokenizer: Tokenizer, query: str, documents: Sequence[str]) -> Scores:
    before = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
    scores = []
    for document in documents:
        prompt = (
            f"{before}<|im_start|>user\nquery: {query}\ndocument: {document}\n{_MXBAI_TASK}<|im_end|>\n"
            "<|im_start|>assistant\n"
        )
        logits = model(_ids(tokenizer, prompt)).logits[0, -1]
        scores.append(float(logits[tokenizer.token_to_id("1")] - logits[tokenizer.token_to_id("0")]))
    return scores


def _pair_scores(model: Any, tokenizer: Tokenizer, query: str, documents: Sequence[str]) -> Scores:
    return [float(model(_ids(tokenizer, query, document)).logits[0, 0]) for document in documents]


def _jina_scores(model: Any, tokenizer: Tokenizer, query: str, documents: Sequence[str]) -> Scores:
    from torch.nn.functional import cosine_similarity  # noqa: PLC0415

    passages = "\n".join(
        f'<passage id="{at}">\n{document}<|embed_token|>\n</passage>' for at, document in enumerate(documents)
    )
    prompt = (
        f"<|im_start|>system\n{_JINA_TASK}<|im_end|>\n<|im_start|>user\n"
        f"I will provide you with {len(documents)} passages, each indicated by a numerical identifier. "
        f"Rank the passages based on their relevance to query: {query}\n"
        f"{passages}\n<query>\n{query}<|rerank_token|>\n</query><|im_end|>\n<|im_start|>assistant\n"
        "<think>\n\n</think>\n\n"
    )
    ids = _ids(tokenizer, prompt)
    vectors = model.projector(model.model(ids).last_hidden_state[0])
    places = [(ids[0] == tokenizer.token_to_id(token)).nonzero().flatten() for token in _JINA_TOKENS]
    return [float(one) for one in cosine_similarity(vectors[places[0]], vectors[places[1]])]


_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
FAMILIES = (
    Family(
        "bge-reranker-v2-gemma",
        ("<pad>", "<eos>", "<bos>", "<unk>"),
        _gemma,
        _gemma_scores,
        single="<bos> $A",
        merges=(("Y", "e"), ("Ye", "s")),
    ),
    Family("mxbai-rerank-base-v2", _QWEN, _qwen2, _mxbai_scores),
    Family(
        "bge-reranker",
        ("<s>", "<pad>", "</s>", "<unk>"),
        _xlm_roberta,
        _pair_scores,
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
    ),
    Family(
        "gte-modernbert",
        ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"),
        _modern_bert,
        _pair_scores,
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
    ),
    Family("jina-reranker-v3", (*_QWEN, "<think>", "</think>"), _jina, _jina_scores, architecture="JinaForRanking"),
)
