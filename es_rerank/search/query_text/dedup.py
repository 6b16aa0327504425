"""Merges the texts of a search into one query text without repeated words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Punctuation and query syntax to strip from both ends of a word. `+`, `#` and `-` are kept: `c++`, `c#`, `-5`.
_PUNCTUATION = "\"'“”‘’«»()[]{}*?!,;:.、。，！？「」"
# Harman's S stemmer ("How effective is suffixing?", 1991), and a final e: some clients send both plural and singular.
_PLURAL_SUFFIX = re.compile(r"(?<=[a-z]{3})(?:(?<!s)s|es|e)$")
# Combining accents of Latin, Greek and Cyrillic letters. In other scripts combining marks distinguish words.
_ACCENTS = re.compile("[\u0300-\u036f]+")
# Thai, Lao, Burmese, Khmer, kana and Han: scripts without spaces between words.
_UNSEGMENTED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
# Comparing all pairs of texts takes quadratic time. A search box does not produce more texts than this.
_MAX_COMPARED_TEXTS = 64


class _Text(NamedTuple):
    """A text as written, the text as normalized by `fold`, and the set of its normalized words.

    If `unsegmented` is true, the text has no spaces between words.
    """

    text: str
    folded: str
    words: frozenset[str]
    unsegmented: bool

    def is_part_of(self, other: _Text) -> bool:
        """Return whether *other* contains all words of this text."""
        return self.words <= other.words or (self.unsegmented and self.folded in other.folded)


def fold(text: str) -> str:
    """Normalize case, accents, full-width forms, punctuation around words and English plurals, to compare texts."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    return " ".join(filter(None, map(_fold_word, text.casefold().split())))


def merge_texts(texts: Iterable[str]) -> str:
    """Join texts with single spaces, without texts whose words all occur in other texts.

    Clients send the same words in many clauses: per field, as a phrase, word by word. If one text contains all words,
    only that text is returned: `garden`, `hose` and `garden hose` become `garden hose`.
    """
    parts = list(texts)
    if len(parts) > 1:
        parts = _without_repetition([_analyse(text) for text in parts])
    return " ".join(" ".join(parts).split())


def _without_repetition(texts: Sequence[_Text]) -> list[str]:
    """Return the first text that contains all words or, if there is none, the texts that add words."""
    all_words = frozenset[str]().union(*(text.words for text in texts))
    complete = [text for text in texts if text.words == all_words]
    return [text.text for text in complete[:1] or _without_parts(_with_new_words(texts))]


def _with_new_words(texts: Sequence[_Text]) -> list[_Text]:
    """Remove each text whose words all occur in earlier texts."""
    known: set[str] = set()
    kept: list[_Text] = []
    for text in texts:
        if not text.words <= known:
            kept.append(text)
            known |= text.words
    return kept


def _without_parts(texts: list[_Text]) -> list[_Text]:
    """Remove each text that is part of a longer one."""
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
    """Fold one lower-case word; a final `y` becomes `i`, because `batteries` without its suffix is `batteri`."""
    word = word.strip(_PUNCTUATION)
    singular = _PLURAL_SUFFIX.sub("", word)
    return f"{singular[:-1]}i" if singular.endswith("y") else singular
