"""Puts texts of one person together: what one of them says already is not said again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Around a word they are signs of a query language or of a sentence; `c++` and `-5` keep theirs.
_EDGES = "\"'“”‘’«»()[]{}*?!,;:.、。，！？「」"
# Harman's S stemmer, with the silent e: the plural that a client searches beside the word is no other word.
_PLURAL = re.compile(r"(?<=[a-z]{3})(?:(?<!s)s|es|e)$")
# Accents of Latin, Greek and Cyrillic letters; the marks of other scripts make other words.
_ACCENTS = re.compile("[\u0300-\u036f]+")
# Thai, Lao, Khmer, Burmese, kana and Han are written without spaces between words.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
# Comparing each text with each other takes the square of their number; a person does not type that many.
_MOST_COMPARED = 64


class _Text(NamedTuple):
    """A text as written, folded, and as a set of folded words; `unspaced`: its words cannot be told apart."""

    text: str
    folded: str
    words: frozenset[str]
    unspaced: bool

    def within(self, other: _Text) -> bool:
        """Tell whether *other* says all this says."""
        return self.words <= other.words or (self.unspaced and self.folded in other.folded)


def fold(text: str) -> str:
    """Reduce a text to what all that say the same have in common: no case, accents, widths, edges, English plurals."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    return " ".join(filter(None, map(_folded, text.casefold().split())))


def join_distinct(texts: Iterable[str]) -> str:
    """Join texts in their order, white space folded; words that are said already are not repeated.

    One text that has all words of the others is the whole. `garden`, `hose`, `garden hose` say `garden hose` once.
    """
    read = [_read(text) for text in texts]
    everything = frozenset[str]().union(*(one.words for one in read))
    whole = [one for one in read if one.words == everything]
    kept = whole[:1] or _longest(_new(read))
    return " ".join(" ".join(one.text.split()) for one in kept)


def _new(texts: Sequence[_Text]) -> list[_Text]:
    """Leave out what the texts before have said."""
    known: set[str] = set()
    kept: list[_Text] = []
    for one in texts:
        if not one.words <= known:
            kept.append(one)
            known |= one.words
    return kept


def _longest(texts: list[_Text]) -> list[_Text]:
    """Leave out what is a part of another text."""
    if len(texts) > _MOST_COMPARED:
        return texts
    return [
        one for one in texts if not any(len(one.folded) < len(other.folded) and one.within(other) for other in texts)
    ]


def _read(text: str) -> _Text:
    """Fold a text."""
    folded = fold(text)
    return _Text(text, folded, frozenset(folded.split()), bool(_UNSPACED.search(folded)))


def _folded(word: str) -> str:
    """Fold one word in lower case."""
    word = word.strip(_EDGES)
    singular = _PLURAL.sub("", word)
    return f"{singular[:-1]}i" if singular.endswith("y") else singular
