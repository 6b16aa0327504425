"""Merges the texts of a search into one, without words that another text already contains."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Around a word these belong to a sentence or to a query language. `+`, `#` and `-` are not listed: `c++`, `c#`, `-5`.
_PUNCTUATION = "\"'“”‘’«»()[]{}*?!,;:.、。，！？「」"
# Harman's S stemmer ("How effective is suffixing?", 1991) plus the silent e: clients search for plural and singular.
_PLURAL_SUFFIX = re.compile(r"(?<=[a-z]{3})(?:(?<!s)s|es|e)$")
# Combining accents of Latin, Greek and Cyrillic letters. In other scripts combining marks distinguish words.
_ACCENTS = re.compile("[\u0300-\u036f]+")
# Thai, Lao, Burmese, Khmer, kana and Han: these scripts put no spaces between words.
_UNSEGMENTED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
# Texts are compared in pairs, which takes quadratic time. More texts than this do not come from a search box.
_MAX_COMPARED_TEXTS = 64


class _Text(NamedTuple):
    """A text as written, folded, and as a set of folded words; `unsegmented`: its words cannot be told apart."""

    text: str
    folded: str
    words: frozenset[str]
    unsegmented: bool

    def is_part_of(self, other: _Text) -> bool:
        """Return whether *other* contains all words of this text."""
        return self.words <= other.words or (self.unsegmented and self.folded in other.folded)


def fold(text: str) -> str:
    """Normalise a text for comparison: no case, accents, full-width forms, outer punctuation or English plurals."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    return " ".join(filter(None, map(_fold_word, text.casefold().split())))


def merge_texts(texts: Iterable[str]) -> str:
    """Join texts in their order, with single spaces, and leave out those whose words other texts contain.

    Clients send the same words in many clauses: per field, as a phrase, word by word. If one text contains all words,
    it is the result: `garden`, `hose` and `garden hose` become `garden hose`.
    """
    parts = list(texts)
    if len(parts) > 1:
        parts = _without_repetition([_analyse(text) for text in parts])
    return " ".join(" ".join(parts).split())


def _without_repetition(texts: Sequence[_Text]) -> list[str]:
    """Return the first text that contains the words of all, or those that add words."""
    all_words = frozenset[str]().union(*(text.words for text in texts))
    complete = [text for text in texts if text.words == all_words]
    return [text.text for text in complete[:1] or _without_parts(_with_new_words(texts))]


def _with_new_words(texts: Sequence[_Text]) -> list[_Text]:
    """Leave out each text whose words are all in the texts before it."""
    known: set[str] = set()
    kept: list[_Text] = []
    for text in texts:
        if not text.words <= known:
            kept.append(text)
            known |= text.words
    return kept


def _without_parts(texts: list[_Text]) -> list[_Text]:
    """Leave out each text that is a part of a longer one."""
    if len(texts) > _MAX_COMPARED_TEXTS:
        return texts
    return [
        text
        for text in texts
        if not any(len(text.folded) < len(other.folded) and text.is_part_of(other) for other in texts)
    ]


def _analyse(text: str) -> _Text:
    """Fold a text and split it into words."""
    folded = fold(text)
    return _Text(text, folded, frozenset(folded.split()), bool(_UNSEGMENTED.search(folded)))


def _fold_word(word: str) -> str:
    """Fold one lower-case word; `y` becomes `i`, as `batteries` without its suffix is `batteri`."""
    word = word.strip(_PUNCTUATION)
    singular = _PLURAL_SUFFIX.sub("", word)
    return f"{singular[:-1]}i" if singular.endswith("y") else singular
